import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Ledger } from '../ledger/ledger.js'
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

const everyState = ['pending', 'claimed', 'delivered', 'dead', 'dropped', 'dismissed'] as const

export function createUnitWait(given: UnitWaitOptions): UnitWait {
  const { ledger, units, collectors, clock, hold, closed } = given

  async function wait(
    id: string,
    { collect = false, timeoutMs }: WaitOptions = {},
  ): Promise<AsyncDelegationEvent> {
    const unit = units.get(id)
    if (unit === undefined || !unit.isLive) return recorded(id, collect).catch(asClosed)
    if (collect) collectors.set(id, (collectors.get(id) ?? 0) + 1)
    try {
      const end = await within(unit.ended, id, timeoutMs)
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

  function asClosed(error: unknown): never {
    const isClosed = closed.aborted && error instanceof DelegationError && error.code === 'LEDGER_CLOSED'
    throw isClosed ? new DelegationError('CLOSED', {}, error) : error
  }

  async function recorded(id: string, collect: boolean): Promise<AsyncDelegationEvent> {
    const deliveries = await ledger.deliveries({ ids: [id] }, everyState, { limit: 1 })
    const [delivery] = deliveries
    if (delivery === undefined) {
      throw new DelegationError('UNKNOWN_DELEGATION', {
        id,
        note: 'it never was, or retention has dropped it',
      })
    }
    if (collect) await ledger.collect(id)
    return delivery.event
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
