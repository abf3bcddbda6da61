import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Ledger } from '../ledger/ledger.js'
import { watchChanges, type LedgerChanges } from './ledger-changes.js'
import { checkedNumber } from './checked.js'
import type { ProcessHold } from './process-hold.js'
import type { Unit } from './unit.js'

export interface WaitOptions {
  /** Mark the event delivered by this very return, unless somebody else holds a claim on it. @defaultValue false */
  readonly collect?: boolean
  /** Give up after this long, ms. The unit goes on. @defaultValue none */
  readonly timeoutMs?: number
}

export interface UnitWait {
  wait(id: string, options?: WaitOptions): Promise<AsyncDelegationEvent>
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
/** A unit has few events beside its final one. */
const deliveriesOfUnit = 1_000
const everyState = ['pending', 'claimed', 'delivered', 'dead', 'dropped', 'dismissed'] as const

export function createUnitWait(given: UnitWaitOptions): UnitWait {
  const { ledger, units, collectors, clock, hold, closed } = given

  async function wait(
    id: string,
    { collect = false, timeoutMs }: WaitOptions = {},
  ): Promise<AsyncDelegationEvent> {
    if (timeoutMs !== undefined) checkedNumber('timeoutMs', timeoutMs)
    const unit = units.get(id)
    if (unit === undefined || !unit.isLive) return elsewhere(id, collect, timeoutMs)
    if (collect) collectors.set(id, (collectors.get(id) ?? 0) + 1)
    try {
      const end = await within(unit.ended, id, timeoutMs)
      if (end === 'taken_over') return await elsewhere(id, collect, timeoutMs)
      // Without a claim it ended just before this call, or another waiter that collects gave up meanwhile.
      if (collect && end.claim === null) await ledger.collect(id)
      if (collect && end.claim !== null) await ledger.resolve([end.claim.token], { kind: 'ack' })
      return end.event
    } finally {
      if (collect) leave(id)
    }
  }

  /** The event is born claimed as long as anybody still waits to collect it. */
  function leave(id: string): void {
    const others = (collectors.get(id) ?? 1) - 1
    if (others === 0) collectors.delete(id)
    else collectors.set(id, others)
  }

  /** It has ended, or another process runs it: the ledger tells. */
  async function elsewhere(
    id: string,
    collect: boolean,
    timeoutMs: number | undefined,
  ): Promise<AsyncDelegationEvent> {
    const changes = watchChanges(ledger)
    const over = new AbortController()
    try {
      const event = await within(untilRecorded(id, changes, over.signal), id, timeoutMs)
      if (collect) await ledger.collect(id)
      return event
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
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          changes.forget()
          stopTimer()
          for (const signal of [over, closed]) signal.removeEventListener('abort', wake)
          resolve()
        }
        const stopTimer = clock.after(lookAgainMs, wake)
        for (const signal of [over, closed]) signal.addEventListener('abort', wake, { once: true })
        changes.next(wake)
      })
    }
  }

  /** Null while the unit is live. A notice shares its unit's id, and is not its end. */
  async function recorded(id: string): Promise<AsyncDelegationEvent | null> {
    // The unit first: of one that had ended by then the event was there already, if it is to be found at all.
    const unit = await ledger.get(id)
    const deliveries = await ledger.deliveries({ ids: [id] }, everyState, { limit: deliveriesOfUnit })
    const final = deliveries.find(({ eventId }) => eventId === id)
    if (final !== undefined) return final.event
    if (unit !== null && unit.endedAt === null) return null
    const note =
      unit === null
        ? 'it never was, or retention has dropped it'
        : 'its event was collected, and is kept no longer'
    throw new DelegationError('UNKNOWN_DELEGATION', { id, note })
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

  return { wait }
}
