import { deliveryStates } from '../core/delivery-states.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Delivery, Owner, UnitRecord } from '../ledger/shapes.js'

/** One thing that is not as it should be. */
export interface AuditFinding {
  /**
   * `owner_died`: a unit that nobody runs any more. `not_stopping`: its owner did not do what an interrupt asked for.
   * `slot_kept`: it has ended, but something of it still runs. `undelivered`: nobody took its completion for an hour.
   * `dead`: nobody will, unless an operator decides. `no_event`: it has ended without one.
   */
  readonly kind: 'owner_died' | 'not_stopping' | 'slot_kept' | 'undelivered' | 'dead' | 'no_event'
  /** Of the unit, or of the event. */
  readonly id: string
  readonly fact: string
  readonly todo: string
}

/** Ended units that are looked at, the newest first. */
const endedUnits = 10_000
const deliveriesAtOnce = 10_000
/** Nobody has taken it for this long, s. */
const undeliveredSeconds = 3600
/** An owner that was asked to stop has this long beyond the grace, s. */
const stopSeconds = 10

export async function auditLedger(
  ledger: Ledger,
  isAlive: (owner: Owner) => boolean,
  now: number,
): Promise<readonly AuditFinding[]> {
  const alive = new Map((await ledger.owners()).filter(isAlive).map((owner) => [owner.id, owner]))
  const live = await ledger.list({ all: true }, true, { limit: Number.MAX_SAFE_INTEGER })
  const ended = await ledger.list({ all: true }, false, { limit: endedUnits })
  const waiting = await ledger.deliveries({ all: true }, ['pending', 'dead'], { limit: deliveriesAtOnce })
  const final = await ledger.deliveries({ ids: ended.map(({ id }) => id) }, deliveryStates, {
    limit: deliveriesAtOnce,
  })
  const recorded = new Set(final.map(({ eventId }) => eventId))
  const isWhole = final.length < deliveriesAtOnce
  const findings = [
    ...live.map((unit) => liveFinding(unit, alive.get(unit.owner), now)),
    ...ended.map((unit) => endedFinding(unit, alive.get(unit.owner), !isWhole || recorded.has(unit.id))),
    ...waiting.map((delivery) => deliveryFinding(delivery, now)),
  ]
  return findings.filter((finding) => finding !== null)
}

function liveFinding(unit: UnitRecord, owner: Owner | undefined, now: number): AuditFinding | null {
  const { id, interrupts } = unit
  if (owner === undefined) return ownerDied(id)
  if (!interrupts.some(({ at, graceMs }) => now - at >= graceMs / 1000 + stopSeconds)) return null
  return {
    kind: 'not_stopping',
    id,
    fact: `process ${owner.pid} was asked to stop it, and has not answered`,
    todo: `see whether the process hangs; ending it (kill ${owner.pid}) frees the slot`,
  }
}

function ownerDied(id: string): AuditFinding {
  return {
    kind: 'owner_died',
    id,
    fact: 'the process that ran it is gone',
    todo: 'the next program that opens the ledger reports it as unknown, or runs it again where that was allowed',
  }
}

function endedFinding(unit: UnitRecord, owner: Owner | undefined, hasEvent: boolean): AuditFinding | null {
  const { id, slotHeld, delivery } = unit
  if (slotHeld && owner === undefined) return ownerDied(id)
  if (slotHeld) {
    const fact = `it has ended, but something of it still runs in process ${owner?.pid ?? 0}`
    return {
      kind: 'slot_kept',
      id,
      fact,
      todo: `ending that process (kill ${owner?.pid ?? 0}) frees the slot`,
    }
  }
  // Who collects an event takes it away.
  if (hasEvent || delivery !== 'claim') return null
  return {
    kind: 'no_event',
    id,
    fact: 'it has ended, but the ledger holds no completion of it',
    todo: `what is known of it is in hermes-delegate show ${id}`,
  }
}

function deliveryFinding(delivery: Delivery, now: number): AuditFinding | null {
  const { eventId: id, state, reason, attempts, bornAt, event } = delivery
  if (state === 'dead') {
    const fact = `its delivery was given up (${reason ?? 'for no reason told'}, ${attempts} failed)`
    return { kind: 'dead', id, fact, todo: `hermes-delegate deliveries retry ${id}, or dismiss ${id}` }
  }
  if (now - bornAt < undeliveredSeconds) return null
  const session = event.session_key === '' ? '--all' : `--session ${JSON.stringify(event.session_key)}`
  return {
    kind: 'undelivered',
    id,
    fact: 'nobody took its completion for more than an hour',
    todo: `hermes-delegate drain ${session}`,
  }
}
