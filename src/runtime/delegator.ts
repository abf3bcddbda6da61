/**
 * The delegator: admission in front, units behind. Invariants:
 *
 * A1. Between counting and inserting nothing else runs: threads are reserved, and the ledger asked, in one tick (P1).
 * A2. What is refused, or cannot be handed over, leaves nothing behind (R15, R18).
 */
import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { batchLabel } from '../core/batch.js'
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import {
  capacityRefusal,
  keyReusedRefusal,
  scheduleFailure,
  threadsRefusal,
  type CapacityScope,
  type Rejected,
  type SlotHolder,
} from '../core/refusal.js'
import type { Admission, Hold, Ledger, UnitDraft } from '../ledger/ledger.js'
import type { Executor } from '../pool/executor.js'
import { createCompletions, type Completions } from './completions.js'
import { createEventHub, type DelegatorEvents } from './events.js'
import { createInterrupts, type InterruptOptions, type InterruptReport, type SessionSelect } from './interrupts.js'
import { maxThreadsBound, type ResolvedOptions } from './options.js'
import { createProcessHold } from './process-hold.js'
import { createRecords, type DelegationRecord } from './records.js'
import {
  batchRequest,
  fingerprintOf,
  singleRequest,
  type CallOptions,
  type DispatchBatchOptions,
  type DispatchOptions,
  type UnitRequest,
} from './request.js'
import { currentSession } from './session-context.js'
import { createUnit, type Unit } from './unit.js'
import { createUnitWait, type WaitOptions } from './unit-wait.js'

/** What a dispatch that was admitted returns, before its runner has finished (R17). */
export interface Dispatched {
  readonly status: 'dispatched'
  readonly delegationId: string
  /** Paths of the children's transcripts, by index; absent where none are kept. */
  readonly liveTranscripts?: Readonly<Record<string, string>>
}

/** How full the delegator is, in its scope. Snake-case holders: they are shown to callers elsewhere, too. */
export interface Capacity {
  readonly limit: number
  readonly inUse: number
  readonly free: number
  readonly scope: CapacityScope
  readonly holders: readonly SlotHolder[]
}

export interface CloseOptions {
  /** @defaultValue the delegator's `interruptGraceMs` */
  readonly graceMs?: number
}

export interface Delegator {
  /** Starts one background unit. @throws {DelegationError} for a call that could never be admitted; a full delegator is data. */
  dispatch(options: DispatchOptions): Promise<Dispatched | Rejected>
  /** Starts one unit of many children: one slot, one id, one final event (P2). @throws as `dispatch` */
  dispatchBatch(options: DispatchBatchOptions): Promise<Dispatched | Rejected>
  /** This delegator's own live units, now (R39). */
  activeCount(): number
  /** All records, newest first: live ones and those that retention has kept (R40). Plain data. */
  list(): Promise<readonly DelegationRecord[]>
  /** @throws {DelegationError} UNKNOWN_DELEGATION for an id that never was, or that retention has dropped. */
  get(id: string): Promise<DelegationRecord>
  capacity(options?: { readonly sessionKey?: string }): Promise<Capacity>
  /**
   * The final event. Marks nothing delivered, unless `collect` is set: then no drain gets it.
   * @throws {DelegationError} UNKNOWN_DELEGATION, WAIT_TIMEOUT, CLOSED
   */
  wait(id: string, options?: WaitOptions): Promise<AsyncDelegationEvent>
  /** Two-phase stop of one unit; nothing to stop is a report of zeros. @throws {DelegationError} UNKNOWN_DELEGATION */
  interrupt(id: string, options?: InterruptOptions): Promise<InterruptReport>
  /** Stops what belongs to any of the selectors; none given stops nothing (spec 2.11). */
  interruptForSession(select: SessionSelect, options?: InterruptOptions): Promise<InterruptReport>
  interruptAll(reason?: string, options?: InterruptOptions): Promise<InterruptReport>
  readonly completions: Completions
  readonly events: DelegatorEvents
  /** Refuses new work, interrupts what runs, waits for its ends, lets go. Idempotent; a child that cannot be stopped does not hold it up. */
  close(options?: CloseOptions): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface DelegatorDependencies {
  readonly options: ResolvedOptions
  readonly ledger: Ledger
  readonly ownerId: string
  readonly clock: Clock
  readonly logger: Logger
  /** Runs references. */
  readonly threads: Executor
  /** Runs plain functions. */
  readonly inline: Executor
}

const keyKeepSeconds = 7 * 24 * 3600
/** How long threads may take to exit on close, ms. */
const closeThreadsMs = 1_000
const loggedGoalCharacters = 80

export function createDelegatorFrom(dependencies: DelegatorDependencies): Delegator {
  const { options, ledger, ownerId, clock, logger, threads, inline } = dependencies
  const hub = createEventHub(logger)
  const hold = createProcessHold()
  const closing = new AbortController()
  const units = new Map<string, Unit>()
  const collectors = new Set<string>()
  const interrupts = createInterrupts({ units, options, hold })
  const records = createRecords({ ledger, units, clock })
  const waits = createUnitWait({ ledger, ownerId, units, collectors, clock, hold, closed: closing.signal })
  const completions = createCompletions({ ledger, ownerId, clock, hold, closed: closing.signal })
  let threadsInUse = 0
  let closed: Promise<void> | null = null

  function assertOpen(): void {
    if (closed !== null) throw new DelegationError('CLOSED')
  }

  function counterFor(sessionKey: string): string {
    if (options.capacityScope === 'process') return `units:${ownerId}`
    return options.capacityScope === 'session' ? `units:session:${sessionKey}` : 'units'
  }

  function draftOf(request: UnitRequest, call: CallOptions, id: string): UnitDraft {
    const { goals, children, sessionKey } = request
    const [first] = children
    const runner = first === undefined || typeof first.runner === 'function' ? null : { ...first.runner }
    return {
      id,
      slotKey: id,
      parentId: null,
      route: {
        sessionKey,
        parentSessionId: call.parentSessionId ?? null,
        originUiSessionId: call.originUiSessionId ?? '',
        originSessionId: call.originSessionId ?? '',
      },
      goal: goals === null ? (first?.goal ?? '') : batchLabel(goals),
      goals,
      context: request.context,
      toolsets: request.toolsets,
      role: request.role,
      model: request.model,
      runner,
      childCount: goals?.length ?? 1,
      metadata: call.metadata ?? null,
    }
  }

  /** Threads that the unit may have in use at once. */
  function threadsFor({ children }: UnitRequest): number {
    const isolated = children.filter(({ runner }) => typeof runner !== 'function' && runner.placement !== 'shared')
    return Math.min(isolated.length, options.maxConcurrentChildren)
  }

  /** R8: a call with a larger cap of its own grows the pool. */
  function threadLimit(request: UnitRequest): number {
    if (request.maxUnits <= options.maxUnits) return options.maxThreads
    return Math.max(options.maxThreads, Math.min(maxThreadsBound, request.maxUnits * options.maxConcurrentChildren))
  }

  const kindOf = (request: UnitRequest): 'single' | 'batch' => (request.form === 'single' ? 'single' : 'batch')

  async function refusalOf(request: UnitRequest, admission: Exclude<Admission, { status: 'admitted' }>, key: string) {
    const scope = options.capacityScope
    if (admission.status === 'refused') {
      const { limit, inUse } = admission
      const holders = admission.holders.map((unit) => records.holderOf(unit))
      return capacityRefusal({ limit, inUse, scope, holders, kind: kindOf(request) })
    }
    if (admission.status === 'existing') return dispatched(admission.id)
    const unit = await ledger.get(admission.id)
    const holder = unit === null ? null : records.holderOf(unit)
    return keyReusedRefusal(key, holder ?? { delegation_id: admission.id, goal: '', running_seconds: 0 }, scope)
  }

  /** A1: everything up to the ledger's own step is one tick. */
  async function admitOnce(request: UnitRequest, call: CallOptions): Promise<Dispatched | Rejected> {
    assertOpen()
    const wanted = threadsFor(request)
    const limit = threadLimit(request)
    if (wanted > 0 && threadsInUse + wanted > limit) {
      const scope = options.capacityScope
      const holders = [...units.values()].map((unit) => records.holderOfUnit(unit))
      return threadsRefusal({ limit, inUse: threadsInUse, scope, holders, kind: kindOf(request), wanted })
    }
    threadsInUse += wanted
    let isStarted = false
    try {
      const draft = draftOf(request, call, newDelegationId())
      const charge = { counter: counterFor(request.sessionKey), amount: 1, limit: request.maxUnits }
      const key = call.idempotencyKey
      const named = key === undefined ? undefined : { key, fingerprint: fingerprintOf(request), keepSeconds: keyKeepSeconds }
      const admission = await ledger.admit(ownerId, draft, [charge], named)
      if (admission.status !== 'admitted') return await refusalOf(request, admission, key ?? '')
      const outcome = await launch(request, draft, admission.hold, wanted)
      isStarted = outcome.status === 'dispatched'
      return outcome
    } finally {
      if (!isStarted) threadsInUse -= wanted
    }
  }

  /** A2. */
  async function launch(request: UnitRequest, draft: UnitDraft, held: Hold, wanted: number) {
    if (closed !== null) {
      await ledger.withdraw(held)
      throw new DelegationError('CLOSED')
    }
    const unit = createUnit(
      { form: request.form, draft, hold: held, children: planChildren(request, draft), maxConcurrentChildren: options.maxConcurrentChildren },
      {
        clock,
        ledger,
        hub,
        collector: () => (collectors.delete(draft.id) ? { consumer: ownerId, leaseSeconds: 300 } : null),
        onGone: () => {
          threadsInUse -= wanted
          units.delete(draft.id)
        },
      },
    )
    try {
      unit.start()
    } catch (error) {
      await ledger.withdraw(held)
      return scheduleFailure(error instanceof Error ? error.message : String(error), kindOf(request))
    }
    units.set(draft.id, unit)
    const { id, goal, goals } = draft
    const session_key = request.sessionKey
    logger.info({ delegation_id: id, session: session_key || '<cli>', goal: goal.slice(0, loggedGoalCharacters) }, 'dispatched')
    hub.emit('dispatched', { delegation_id: id, goals: goals ?? [goal], session_key })
    return dispatched(id, unit.liveTranscripts)
  }

  function planChildren(request: UnitRequest, draft: UnitDraft) {
    const { id } = draft
    const folder = options.transcriptFolder
    const seconds = request.childTimeoutSeconds
    return request.children.map(({ runner, ...child }, index) => ({
      index,
      executor: typeof runner === 'function' ? inline : threads,
      timeoutMs: seconds === 0 ? null : seconds * 1000,
      timeoutGraceMs: options.interruptGraceMs,
      job: {
        task: { ...child, toolsets: request.toolsets, delegationId: id, taskIndex: index, sessionKey: request.sessionKey },
        runner,
        transcriptPath: folder === null ? null : `${folder}/${id}/task-${index}.log`,
        spillDirectory: options.spillFolder,
      },
    }))
  }

  async function admit(request: UnitRequest, call: CallOptions): Promise<Dispatched | Rejected> {
    const deadlineMs = clock.monotonicMs() + request.admitWithinMs
    for (;;) {
      const outcome = await admitOnce(request, call)
      if (outcome.status === 'dispatched' || outcome.refusal === undefined) return outcome
      const leftMs = deadlineMs - clock.monotonicMs()
      if (leftMs <= 0 || outcome.refusal.code === 'KEY_REUSED') {
        hub.emit('refused', outcome)
        return outcome
      }
      await hold.during(nextChange(leftMs))
    }
  }

  /** The caller waits, nothing piles up (P1). */
  function nextChange(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        stopTimer()
        unsubscribe()
        closing.signal.removeEventListener('abort', wake)
        resolve()
      }
      const stopTimer = clock.after(withinMs, wake)
      const unsubscribe = ledger.subscribe(wake)
      closing.signal.addEventListener('abort', wake, { once: true })
    })
  }

  async function shutDown(graceMs: number): Promise<void> {
    closing.abort()
    const live = [...units.values()]
    await interrupts.stopUnits(live, { cause: 'interrupted', reason: 'the delegator was closed' }, graceMs)
    await Promise.allSettled(live.map((unit) => unit.ended))
    await Promise.all([threads.close(closeThreadsMs), inline.close(closeThreadsMs)])
    await ledger.close()
  }

  function close({ graceMs = options.interruptGraceMs }: CloseOptions = {}): Promise<void> {
    closed ??= hold.during(shutDown(graceMs))
    return closed
  }

  return {
    // Async: what is wrong with a call rejects its promise.
    dispatch: async (call) => {
      assertOpen()
      return admit(singleRequest(call, options, currentSession()), call)
    },
    dispatchBatch: async (call) => {
      assertOpen()
      return admit(batchRequest(call, options, currentSession()), call)
    },
    activeCount: () => [...units.values()].filter((unit) => unit.isLive).length,
    list: records.list,
    get: records.get,
    async capacity({ sessionKey = currentSession() } = {}) {
      const limit = options.maxUnits
      const [use] = await ledger.usage([counterFor(sessionKey)])
      const inUse = use?.inUse ?? 0
      const holders = (use?.holders ?? []).map((unit) => records.holderOf(unit))
      return { limit, inUse, free: Math.max(0, limit - inUse), scope: options.capacityScope, holders }
    },
    wait: waits.wait,
    async interrupt(id, interruptOptions) {
      const unit = units.get(id)
      if (unit === undefined) await records.get(id)
      return interrupts.interrupt(unit === undefined ? [] : [unit], interruptOptions)
    },
    interruptForSession: (select, interruptOptions) => interrupts.forSession(select, interruptOptions),
    interruptAll: (reason, interruptOptions) =>
      interrupts.interrupt([...units.values()], { ...interruptOptions, ...(reason !== undefined && { reason }) }),
    completions,
    events: hub.events,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

function dispatched(delegationId: string, liveTranscripts: Readonly<Record<string, string>> | null = null): Dispatched {
  return { status: 'dispatched', delegationId, ...(liveTranscripts !== null && { liveTranscripts }) }
}

/** `deleg_` and 20 hex digits (DESIGN 3): eight, as in the original (R7), collide within 100,000. */
function newDelegationId(): string {
  return `deleg_${randomBytes(10).toString('hex')}`
}
