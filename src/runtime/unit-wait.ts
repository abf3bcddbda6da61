import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Claim } from '../ledger/shapes.js'
import { deliveryStates } from '../core/delivery-states.js'
import { watchChanges, type LedgerChanges } from './ledger-changes.js'
import { checkedNumber } from './checked.js'
import { unknownDelegation } from './groups.js'
import { ClaimedCompletion, type Completion } from './completions.js'
import type { ProcessHold } from './process-hold.js'
import type { Unit, UnitEnd } from './unit.js'

export interface WaitOptions {
  /** Mark the event delivered by this very return, unless somebody else holds a claim on it. @defaultValue false */
  readonly collect?: boolean
  /** Give up after this long, ms. The unit goes on. @defaultValue none */
  readonly timeoutMs?: number
}

/** The end of a unit that was waited for. */
export interface ClaimedEnd {
  readonly event: AsyncDelegationEvent
  /** The event, claimed for this caller, who owes it a verdict. Null when another consumer has or had it. */
  readonly completion: Completion | null
}

export interface UnitWait {
  wait(id: string, options?: WaitOptions): Promise<AsyncDelegationEvent>
  waitAndClaim(id: string, options?: Pick<WaitOptions, 'timeoutMs'>): Promise<ClaimedEnd>
}

interface UnitWaitOptions {
  readonly ledger: Ledger
  readonly ownerId: string
  readonly units: Pick<ReadonlyMap<string, Unit>, 'get' | 'values'>
  /** Units whose event is to be born claimed by this delegator. */
  readonly collectors: Map<string, number>
  readonly clock: Clock
  readonly hold: ProcessHold
  readonly closed: AbortSignal
}

/** Hints may be missed, ms. */
const lookAgainMs = 2_000
const claimLeaseSeconds = 300

/** By the event's own id, which is its unit's: notices share the unit's id, and there may be any number of them. */
const finalOf = (id: string): { readonly eventIds: readonly string[] } => ({ eventIds: [id] })

export function createUnitWait(given: UnitWaitOptions): UnitWait {
  const { ledger, ownerId, units, collectors, clock, hold, closed } = given
  /** Claims that events were born with and that a waiter has: of several waiters one gets it. */
  const taken = new WeakSet<Claim>()

  async function wait(
    id: string,
    { collect = false, timeoutMs }: WaitOptions = {},
  ): Promise<AsyncDelegationEvent> {
    if (timeoutMs !== undefined) checkedNumber('timeoutMs', timeoutMs)
    if (!collect) return (await endOf(id, timeoutMs)).event
    return collecting(id, async () => {
      const { event, claim } = await endOf(id, timeoutMs)
      // Without a claim it ended before this call, or another waiter that collects gave up meanwhile.
      if (claim === null) await ledger.collect(id)
      else if (take(claim)) await ledger.resolve([claim.token], { kind: 'ack' })
      return event
    })
  }

  async function waitAndClaim(
    id: string,
    { timeoutMs }: Pick<WaitOptions, 'timeoutMs'> = {},
  ): Promise<ClaimedEnd> {
    if (timeoutMs !== undefined) checkedNumber('timeoutMs', timeoutMs)
    return collecting(id, async () => {
      const { event, claim: born } = await endOf(id, timeoutMs)
      const claim = born !== null && take(born) ? born : await claimFinal(id)
      return { event, completion: claim === null ? null : new ClaimedCompletion(claim, ledger) }
    })
  }

  function take(claim: Claim): boolean {
    if (taken.has(claim)) return false
    taken.add(claim)
    return true
  }

  async function claimFinal(id: string): Promise<Claim | null> {
    const { claims } = await ledger.claim(ownerId, { ...finalOf(id), pull: true }, 1, claimLeaseSeconds)
    return claims[0] ?? null
  }

  async function endOf(id: string, timeoutMs: number | undefined): Promise<UnitEnd> {
    const unit = units.get(id)
    if (unit?.isLive !== true) return elsewhere(id, timeoutMs)
    const end = await within(unit.ended, id, timeoutMs)
    return end === 'taken_over' ? elsewhere(id, timeoutMs) : end
  }

  /** While `work` goes on, the event of the unit is born claimed by this delegator. */
  async function collecting<T>(id: string, work: () => Promise<T>): Promise<T> {
    if (units.get(id)?.isLive !== true) return work()
    collectors.set(id, (collectors.get(id) ?? 0) + 1)
    try {
      return await work()
    } finally {
      leave(id)
    }
  }

  /** The event is born claimed as long as anybody still waits to collect it. */
  function leave(id: string): void {
    const others = (collectors.get(id) ?? 1) - 1
    if (others === 0) collectors.delete(id)
    else collectors.set(id, others)
  }

  /** It has ended, or another process runs it: the ledger tells. */
  async function elsewhere(id: string, timeoutMs: number | undefined): Promise<UnitEnd> {
    const over = new AbortController()
    const changes = watchChanges(ledger, clock, [over.signal, closed])
    try {
      const event = await within(untilRecorded(id, changes, over.signal), id, timeoutMs)
      return { event, claim: null }
    } finally {
      over.abort()
      changes.stop()
    }
  }

  async function untilRecorded(
    id: string,
    changes: LedgerChanges,
    over: AbortSignal,
  ): Promise<AsyncDelegationEvent> {
    for (;;) {
      changes.reset()
      const event = await recorded(id)
      if (event !== null) return event
      if (over.aborted) throw new DelegationError('WAIT_TIMEOUT', { id })
      if (closed.aborted) throw new DelegationError('CLOSED')
      await changes.wait(lookAgainMs)
    }
  }

  /** Null while the unit is live. */
  async function recorded(id: string): Promise<AsyncDelegationEvent | null> {
    // The unit first: of one that had ended by then the event was there already, if it is to be found at all.
    const unit = await ledger.get(id)
    const [final] = await ledger.deliveries(finalOf(id), deliveryStates, { limit: 1 })
    if (final !== undefined) return final.event
    if (unit !== null && unit.endedAt === null) return null
    const note =
      unit === null
        ? 'it never was, or retention has dropped it'
        : 'its event was collected, and is kept no longer'
    throw await unknownDelegation(ledger, id, note)
  }

  function within<T>(promise: Promise<T>, id: string, timeoutMs: number | undefined): Promise<T> {
    if (timeoutMs === undefined) return hold.during(promise)
    let stopTimer = (): void => undefined
    const late = new Promise<never>((_resolve, reject) => {
      stopTimer = clock.after(timeoutMs, () =>
        reject(new DelegationError('WAIT_TIMEOUT', { id, waited_ms: timeoutMs })),
      )
    })
    return hold.during(Promise.race([promise, late])).finally(stopTimer)
  }

  return { wait, waitAndClaim }
}
