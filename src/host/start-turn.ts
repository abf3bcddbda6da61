/** One turn of a host: its start, and the verdict on the completions in it (H2, H3). */
import type { AsyncDelegationEvent } from '../core/event.js'
import { isSuccess } from '../core/delegation.js'
import { failPoint } from '../core/fail-point.js'
import { turnText, type Completion, type Completions } from '../runtime/completions.js'
import { withSession } from '../runtime/session-context.js'
import { judge, keepRenewed } from './held-claims.js'
import { inTime, late, type Patience } from './in-time.js'

export type StartTurn = (
  text: string,
  events: readonly AsyncDelegationEvent[],
  sessionKey: string,
) => 'started' | 'busy' | Promise<'started' | 'busy'>

/** A host that was busy after all is asked again after this long, s. */
export const busySeconds = 0.25
/** Of so many accepted events the ids are remembered. */
const rememberedIds = 2_048

export interface Turns {
  /** H3: leaves out what this host has accepted before, and whose acknowledgement was lost. Failures first. */
  fresh(claimed: readonly Completion[]): Promise<readonly Completion[]>
  /** The first of them, as many as make one turn; at least one, if there is any. */
  fitting(claimed: readonly Completion[]): readonly Completion[]
  /** H2: resolves when the verdict is in the ledger. */
  start(turn: readonly Completion[], sessionKey: string): Promise<void>
}

const idOf = ({ event_id, delegation_id }: AsyncDelegationEvent): string => event_id ?? delegation_id

interface TurnsOptions {
  readonly startTurn: StartTurn
  /** Of one turn; the first completion fits always. */
  readonly maxCharacters: number
  readonly patience: Patience
}

export function createTurns(
  completions: Completions,
  { startTurn, maxCharacters, patience }: TurnsOptions,
): Turns {
  const accepted = new Set<string>()

  function remember(turn: readonly Completion[]): void {
    for (const { event } of turn) accepted.add(idOf(event))
    for (const id of accepted) {
      if (accepted.size <= rememberedIds) break
      accepted.delete(id)
    }
  }

  return {
    async fresh(claimed) {
      const known = claimed.filter(({ event }) => accepted.has(idOf(event)))
      await judge(known, () => completions.ack(known))
      // A parent may have to act upon a failure.
      return claimed
        .filter((completion) => !known.includes(completion))
        .sort((a, b) => Number(isSuccess(a.event.status)) - Number(isSuccess(b.event.status)))
    },

    fitting(claimed) {
      let characters = 0
      const beyond = claimed.findIndex((completion, index) => {
        characters += completion.text.length
        return index > 0 && characters > maxCharacters
      })
      return beyond === -1 ? claimed : claimed.slice(0, beyond)
    },

    async start(turn, sessionKey) {
      const events = turn.map(({ event }) => event)
      const renewing = keepRenewed(turn)
      let answer: unknown
      try {
        failPoint('turn:before')
        const asked = withSession(sessionKey, async () => startTurn(turnText(events), events, sessionKey))
        answer = await inTime(asked, patience)
        if (answer === late) {
          // H3. Whatever it says yet: it was told of these.
          void asked.then(
            (said) => said === 'started' && remember(turn),
            () => undefined,
          )
          throw new Error(
            `it did not answer in time (${patience.ms / 1000} s; 5 s once the host is detached)`,
          )
        }
        if (answer !== 'started' && answer !== 'busy') {
          throw new TypeError(`startTurn answered ${String(answer)}, and not 'started' or 'busy'`)
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        await judge(turn, () => completions.release(turn, `the turn failed to start: ${reason}`))
        return
      } finally {
        renewing.stop()
      }
      failPoint('turn:answered')
      if (answer === 'started') {
        remember(turn)
        await judge(turn, () => completions.ack(turn))
      } else await judge(turn, () => completions.defer(turn, busySeconds))
      failPoint('turn:over')
    },
  }
}
