/** Completions without a claim: to look at them, to add the host's own, and to decide about those that are dead. */
import { randomBytes } from 'node:crypto'
import { deliveryStates } from '../core/delivery-states.js'
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import { isJsonObject, type Json, type JsonObject } from '../core/json.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Delivery, DeliveryState } from '../ledger/shapes.js'
import { checkedCount, checkWord, plainCopy } from './checked.js'
import { asClosed } from './closed.js'
import { selectOf, type CompletionSelect } from './completion-select.js'

export interface ReadOptions extends CompletionSelect {
  /** @defaultValue every state */
  readonly states?: readonly DeliveryState[]
  /** Only what came later than this `seq`. @defaultValue 0 */
  readonly afterSeq?: number
  /** @defaultValue 100 */
  readonly limit?: number
}

/** One event and how far its delivery is. */
export interface DeliveryView {
  readonly seq: number
  readonly event_id: string
  readonly delegation_id: string
  readonly state: DeliveryState
  /** Deliveries that failed. */
  readonly attempts: number
  /** From when on it may be claimed; Unix seconds. */
  readonly available_at: number
  /** Why it failed, is dead or was dropped. */
  readonly reason: string | null
  readonly event: AsyncDelegationEvent
}

/** An event of the host's own kind: whatever else it needs, as plain data. */
export interface PublishedEvent extends JsonObject {
  readonly type: string
  /** Whose it is; `''` belongs to this delegator alone. */
  readonly session_key: string
  /** What a consumer de-duplicates by. @defaultValue one is drawn */
  readonly event_id?: string
}

export interface PublishOptions {
  /**
   * `collect`: no drain gets it, only who claims it by its id; once it is acknowledged or dropped it is gone.
   * @defaultValue 'claim'
   */
  readonly delivery?: 'claim' | 'collect'
}

export interface Deliveries {
  /** Claims nothing and changes nothing; in `seq` order, so that who starts late asks for all from a `seq` on. */
  read(options?: ReadOptions): Promise<readonly DeliveryView[]>
  /**
   * Puts an event of the host's own on the same rail (R3): it is claimed and acknowledged as any other, and whoever
   * claims it tells it by its `type`.
   * @throws {DelegationError} EVENT_INVALID, LEDGER_DUPLICATE, OPTION_INVALID
   */
  publish(
    event: PublishedEvent,
    options?: PublishOptions,
  ): Promise<{ readonly event_id: string; readonly seq: number }>
  /** Gives what is dead or was dropped fresh attempts. False for what is neither. */
  retry(eventIds: readonly string[]): Promise<readonly boolean[]>
  /** Gives up for good on what is dead or was dropped. False for what is neither. */
  dismiss(eventIds: readonly string[]): Promise<readonly boolean[]>
}

const defaultLimit = 100
const idBytes = 10
/** Final events of units have such ids: one that was taken beforehand could not be recorded. */
const unitId = /^deleg_/

export function createDeliveries(ledger: Ledger, ownerId: string): Deliveries {
  return {
    async read(options = {}) {
      const { states = deliveryStates, afterSeq = 0, limit = defaultLimit } = options
      const page = { afterSeq: checkedCount('afterSeq', afterSeq), limit: checkedCount('limit', limit) }
      const select = selectOf(options, ownerId)
      const found = await ledger.deliveries(select, checkedStates(states), page).catch(asClosed)
      return found.map(viewOf)
    },
    async publish(given, { delivery = 'claim' } = {}) {
      const event = checkedEvent(given)
      checkWord('delivery', delivery, ['claim', 'collect'])
      const seq = await ledger.publish(ownerId, event, delivery).catch(asClosed)
      return { event_id: event.event_id ?? '', seq }
    },
    retry: async (eventIds) => ledger.reopen(eventIds, 'pending').catch(asClosed),
    dismiss: async (eventIds) => ledger.reopen(eventIds, 'dismissed').catch(asClosed),
  }
}

function viewOf({ eventId, delegationId, availableAt, ...rest }: Delivery): DeliveryView {
  const { seq, state, attempts, reason, event } = rest
  return {
    seq,
    event_id: eventId,
    delegation_id: delegationId,
    state,
    attempts,
    available_at: availableAt,
    reason,
    event,
  }
}

function checkedStates(states: readonly DeliveryState[]): readonly DeliveryState[] {
  const wrong = states.find((state) => !deliveryStates.includes(state))
  if (wrong === undefined) return states
  throw new DelegationError('OPTION_INVALID', { states: wrong, expected: deliveryStates.join(', ') })
}

function checkedEvent(given: unknown): AsyncDelegationEvent {
  const event = plainCopy('EVENT_INVALID', 'event', given)
  if (!isJsonObject(event)) throw new DelegationError('EVENT_INVALID', { event: 'no object' })
  const { type, session_key, event_id = `event_${randomBytes(idBytes).toString('hex')}` } = event
  const { delegation_id = event_id, parent_session_id = '', origin_ui_session_id = '' } = event
  checkTexts({ type, session_key, event_id, delegation_id, parent_session_id, origin_ui_session_id })
  if (type === '' || event_id === '' || unitId.test(event_id as string)) {
    const expected = 'a type, and an id of its own that begins with no `deleg_`'
    throw new DelegationError('EVENT_INVALID', { type, event_id, expected })
  }
  // The ledger keeps what it is given: the fields it reads are those that were checked.
  return { ...event, event_id, delegation_id } as unknown as AsyncDelegationEvent
}

function checkTexts(fields: Readonly<Record<string, Json | undefined>>): void {
  const wrong = Object.entries(fields).find(([, value]) => typeof value !== 'string')
  if (wrong === undefined) return
  const [name, value] = wrong
  const given = value === undefined ? 'nothing' : JSON.stringify(value)
  throw new DelegationError('EVENT_INVALID', { [name]: given, expected: 'a string' })
}
