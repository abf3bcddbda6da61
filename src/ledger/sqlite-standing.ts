/** How a delivery's standing is kept in its row. */
import { deliveryStates } from '../core/delivery-states.js'
import { DelegationError } from '../core/errors.js'
import type { DeliveryState } from './shapes.js'
import { atOnce, type DeliveryStanding } from './delivery-rules.js'

/** What moves of a row, and what tells it apart. */
export interface StandingRow {
  readonly seq: number
  readonly event_id: string
  readonly delegation_id: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly available_at: number
  readonly leased_until: number | null
  readonly born_at: number
  readonly claim: string | null
  readonly claims: number
  readonly pulled: number
  readonly reason: string | null
}

export const standingColumns = `seq, event_id, delegation_id, state, attempts, available_at, leased_until, born_at, claim,
  claims, pulled, reason`

/** When an open row can be claimed. */
export const due = "CASE state WHEN 'claimed' THEN leased_until ELSE available_at END"
/** When its lease, or its wait, began: what the other state would read, for it needs no column of its own then. */
const since = "CASE state WHEN 'claimed' THEN available_at ELSE leased_until END"
/** Also those whose lease or wait was begun by a clock that has been set back. */
export const isDue = `(${due} <= :now OR ${since} > :now)`

export function storedOf(row: StandingRow): DeliveryStanding {
  const { state, attempts, reason, available_at, leased_until } = row
  if (!deliveryStates.includes(state)) throw new DelegationError('LEDGER_CORRUPT', { damaged: row.event_id })
  const fixed = { state, attempts, reason }
  return state === 'claimed'
    ? { ...fixed, availableAt: atOnce, leasedUntil: leased_until, since: available_at }
    : { ...fixed, availableAt: available_at, leasedUntil: null, since: leased_until }
}

type Moving = Pick<StandingRow, 'state' | 'attempts' | 'reason' | 'available_at' | 'leased_until'>

export function asColumns({
  state,
  attempts,
  reason,
  availableAt,
  leasedUntil,
  since,
}: DeliveryStanding): Moving {
  const fixed = { state, attempts, reason }
  return state === 'claimed'
    ? { ...fixed, available_at: since ?? atOnce, leased_until: leasedUntil }
    : { ...fixed, available_at: availableAt, leased_until: since }
}
