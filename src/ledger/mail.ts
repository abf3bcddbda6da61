/**
 * What one process says to the owner of a live unit, and what the owner says to it in return. A letter is small, and
 * lives as long as somebody waits for its reply: nothing depends on one that is lost with its owner.
 */
import type { Instant } from '../core/clock.js'
import type { Json } from '../core/json.js'

/** What one process says to the owner of a live unit. */
export interface Letter {
  readonly id: string
  readonly unitId: string
  readonly kind: string
  readonly payload: Json
  readonly sentAt: Instant
}

export interface Mail {
  /** `not_live`: the unit is unknown, or has ended. `too_many`: 100 letters wait for its owner already. Else its owner is told. */
  post(letter: Omit<Letter, 'sentAt'>): Promise<'posted' | 'not_live' | 'too_many'>
  /** Letters without a reply to live units of this owner, oldest first. */
  waiting(ownerId: string): Promise<readonly Letter[]>
  /** False: nobody waits for it any more. The first reply stays. */
  reply(letterId: string, reply: Json): Promise<boolean>
  /** The reply, once there is one. */
  replyTo(letterId: string): Promise<{ readonly reply: Json } | null>
  /** The sender waits no longer. */
  forget(letterId: string): Promise<void>
}

/** Letters that may wait for the owner of one unit. */
export const maxLetters = 100
/** What nobody has forgotten in good order is dropped after this long, s. */
export const letterSeconds = 3_600
