/** The delegator: what a host holds in its hands. Admission is in front of it, units behind. */
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Owner } from '../ledger/shapes.js'
import type { Rejected } from '../core/refusal.js'
import { TurnoverMap } from '../core/turnover-map.js'
import { createActivityClock } from './activity-clock.js'
import { createAdmission, type AdmissionDependencies } from './admission.js'
import { createAsking } from './asking.js'
import type { Dispatched } from './dispatched.js'
import { createNestedUnits } from './nested-units.js'
import {
  createCapacity,
  limitsOf,
  type Capacity,
  type CapacityOptions,
  type DelegatorLimits,
} from './capacity.js'
import { createCleanup } from './cleanup.js'
import { numberProblem } from './checked.js'
import { asClosed } from './closed.js'
import { createCompletions, type Completions } from './completions.js'
import { continuation } from './continuing.js'
import { createEndSession, type EndSession } from './end-session.js'
import { createEventHub, type DelegatorEvents } from './events.js'
import {
  createInterrupts,
  type InterruptOptions,
  type SessionSelect,
  type UnitInterruptOptions,
} from './interrupts.js'
import type { InterruptReport } from './stop-report.js'
import { createMembership } from './membership.js'
import { createProcessHold } from './process-hold.js'
import { createRecords, type DelegationRecord, type ListOptions } from './records.js'
import { createRecovery } from './recovery.js'
import { createRemoteTalks } from './remote-talks.js'
import type { CallOptions, DispatchBatchOptions, DispatchOptions } from './call-options.js'
import { batchRequest, singleRequest, type UnitRequest } from './request.js'
import { currentSession } from './session-context.js'
import { takeSnapshot, type DelegatorSnapshot } from './snapshot.js'
import { unseenSchemas } from './output-schema.js'
import type { Unit } from './unit.js'
import { createStallMonitor } from './stall-monitor.js'
import { createStateRecorder } from './state-recorder.js'
import { usageReport, type UsageOptions, type UsageRow } from './usage-report.js'
import {
  createTalks,
  type AnswerOptions,
  type AnswerReport,
  type SteerOptions,
  type SteerReport,
} from './talks.js'
import { createWaitingFeed } from './waiting-feed.js'
import { createUnitWait, type ClaimedEnd, type WaitOptions } from './unit-wait.js'

export interface CloseOptions {
  /** @defaultValue the delegator's `interruptGraceMs` */
  readonly graceMs?: number
}

export interface Delegator {
  /** Starts one background unit. @throws {DelegationError} for a call that could never be admitted; a full delegator is data. */
  dispatch(options: DispatchOptions): Promise<Dispatched | Rejected>
  /** Starts one unit of many children: one slot, one id, one final event (P2). @throws as `dispatch` */
  dispatchBatch(options: DispatchBatchOptions): Promise<Dispatched | Rejected>
  /** The `owner` of the units that it runs. */
  readonly id: string
  readonly limits: DelegatorLimits
  /** This delegator's own live units, now (R39). */
  activeCount(): number
  /** Newest first: all that are live, and of the others the newest that retention has kept (R40). Plain data. */
  list(options?: ListOptions): Promise<readonly DelegationRecord[]>
  /** @throws {DelegationError} UNKNOWN_DELEGATION for an id that never was, or that retention has dropped. */
  get(id: string): Promise<DelegationRecord>
  capacity(options?: CapacityOptions): Promise<Capacity>
  /** What children have used, by session, model, runner or tree. @throws {DelegationError} OPTION_INVALID */
  usage(options?: UsageOptions): Promise<readonly UsageRow[]>
  /**
   * The final event. Marks nothing delivered, unless `collect` is set: then no drain gets it.
   * @throws {DelegationError} UNKNOWN_DELEGATION, WAIT_TIMEOUT, CLOSED
   */
  wait(id: string, options?: WaitOptions): Promise<AsyncDelegationEvent>
  /**
   * The final event, and its claim where this caller got it: who passes it on acks it then, and nobody else sees it.
   * @throws as `wait`
   */
  waitAndClaim(id: string, options?: Pick<WaitOptions, 'timeoutMs'>): Promise<ClaimedEnd>
  /**
   * Two-phase stop of units, with all that is below them, or of one child; nothing to stop is a report of zeros. The id of
   * a call that was split stops all its units.
   * @throws {DelegationError} UNKNOWN_DELEGATION, before anything is stopped; OPTION_INVALID for a `taskIndex` that is
   * none of its children
   */
  interrupt(ids: string | readonly string[], options?: UnitInterruptOptions): Promise<InterruptReport>
  /** Stops what belongs to any of the selectors; none given stops nothing (spec 2.11). */
  interruptForSession(select: SessionSelect, options?: InterruptOptions): Promise<InterruptReport>
  /**
   * The user has ended a session, or reset it: interrupts its units, and drops for good what waits for it. What is
   * dispatched meanwhile under the same key is the next conversation's, and is told to it afterwards.
   */
  readonly endSession: EndSession
  interruptAll(reason?: string, options?: InterruptOptions): Promise<InterruptReport>
  /**
   * Answers the question that a child waits with, whichever process runs it. The text is data, at most 64 kB; what the
   * child makes of it is its own. @throws {DelegationError} UNKNOWN_DELEGATION, OPTION_INVALID
   */
  answer(id: string, text: string, options?: AnswerOptions): Promise<AnswerReport>
  /**
   * Sends a text, at most 64 kB, to children that run and take such texts (`ctx.onSteer`). What a child did not take before
   * its end is in its entry, as `missed_steer`. @throws {DelegationError} UNKNOWN_DELEGATION, OPTION_INVALID
   */
  steer(id: string, text: string, options?: SteerOptions): Promise<SteerReport>
  /** This delegator's own units as they are now, in step with `events`. */
  snapshot(): DelegatorSnapshot
  readonly completions: Completions
  readonly events: DelegatorEvents
  /** Refuses new work, interrupts what runs, waits for its ends, lets go. Idempotent; a child that cannot be stopped does not hold it up. */
  close(options?: CloseOptions): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type DelegatorDependencies = Pick<
  AdmissionDependencies,
  'options' | 'ledger' | 'clock' | 'logger' | 'threads' | 'inline'
> & { readonly self: Owner }

/** How long threads may take to exit on close, ms. */
const closeThreadsMs = 1_000

export async function createDelegatorFrom(dependencies: DelegatorDependencies): Promise<Delegator> {
  const { options, ledger, self, clock, logger, threads, inline } = dependencies
  const ownerId = self.id
  const hub = createEventHub(logger)
  const hold = createProcessHold()
  const closing = new AbortController()
  const units = new TurnoverMap<string, Unit>()
  const collectors = new Map<string, number>()
  const nested = createNestedUnits(clock)
  const interrupts = createInterrupts({ units, options, hold, ledger, clock, nested })
  const records = createRecords({ ledger, units, clock })
  const waits = createUnitWait({ ledger, ownerId, units, collectors, clock, hold, closed: closing.signal })
  const shared = { ledger, ownerId, clock, hold, closed: closing.signal, isWorking: () => activeCount() > 0 }
  const feed = createWaitingFeed(shared)
  const completions = createCompletions({ ...shared, feed })
  const endSession = createEndSession({ ...shared, feed, interrupts })
  const publish = (event: AsyncDelegationEvent) => ledger.publish(ownerId, event)
  const asking = createAsking({ clock, hub, ledger, publish })
  const remote = createRemoteTalks({ ledger, clock, hold })
  const talks = createTalks({ clock, ledger, units, remote, hold })
  const admission = createAdmission({
    ...dependencies,
    asking,
    ownerId,
    hub,
    hold,
    records,
    nested,
    units,
    collectors,
    closing: closing.signal,
  })
  const recovery = createRecovery({ ledger, self, clock, hub, rerun: options.adopt ? admission.rerun : null })
  const membership = createMembership({
    ledger,
    self,
    clock,
    hub,
    recovery,
    onInterrupt: interrupts.obey,
    onLetter: talks.obey,
    onThoughtDead: interrupts.giveUpLost,
    isWorking: () => activeCount() > 0,
  })
  const liveUnits = (): Unit[] => [...units.values()].filter((unit) => unit.isLive)
  const onFault = (error: unknown): void => hub.emit('fault', error as Error)
  const stallMonitor = createStallMonitor({
    clock,
    options: options.stall,
    liveUnits,
    quietBelowMs: nested.quietMs,
    onFault,
  })
  const { isStale } = stallMonitor
  const activityClock = createActivityClock({
    clock,
    liveUnits,
    isStale,
    onFault,
    onActivity: options.onActivity,
  })
  const stateRecorder = createStateRecorder({ ledger, clock, liveUnits, onFault })
  const cleanup = createCleanup({
    clock,
    folders: [options.spillFolder, options.transcriptFolder].filter((folder) => folder !== null),
    isLive: async (id) => (await ledger.get(id))?.slotHeld === true,
    closing: closing.signal,
  })
  // Who counts slots, or lists units, must not count those of the dead.
  if (ledger.info.shared) await membership.start()
  let closed: Promise<void> | null = null
  let isGone = false

  function activeCount(): number {
    return liveUnits().length
  }

  function assertOpen(): void {
    if (closed !== null) throw new DelegationError('CLOSED')
  }

  /** Only a schema that is new has to be waited for: whoever dispatches and closes in one tick has dispatched first. */
  function admit(request: UnitRequest, call: CallOptions): Promise<Dispatched | Rejected> {
    const looked = unseenSchemas(request.children)
    return looked === null ? admitNow(request, call) : looked.then(() => admitNow(request, call))
  }

  function admitNow(request: UnitRequest, call: CallOptions): Promise<Dispatched | Rejected> {
    const admitted = admission.admit(request, call)
    stallMonitor.watch()
    activityClock.watch()
    cleanup.soon()
    if (ledger.info.shared) {
      stateRecorder.watch()
      void admitted.then(membership.followRequests, () => undefined)
    }
    return admitted
  }

  async function shutDown(graceMs: number): Promise<void> {
    closing.abort()
    stallMonitor.stop()
    activityClock.stop()
    stateRecorder.stop()
    // What follows is told to listeners: they must find the delegator closed.
    await Promise.resolve()
    hub.emit('closing')
    const live = [...units.values()]
    await interrupts.stopUnits(live, { cause: 'interrupted', reason: 'the delegator was closed' }, graceMs)
    await Promise.allSettled(live.map((unit) => unit.ended))
    await Promise.all([threads.close(closeThreadsMs), inline.close(closeThreadsMs)])
    await membership.stop()
    await ledger.close()
    isGone = true
  }

  /** What is asked after the end of `close` is answered here, and not by parts that are gone. */
  function whileThere<Args extends readonly unknown[], Value>(
    method: (...args: Args) => Promise<Value>,
  ): (...args: Args) => Promise<Value> {
    return (...args) =>
      isGone ? Promise.reject(new DelegationError('CLOSED')) : method(...args).catch(asClosed)
  }

  function interruptAll(reason?: string, given?: InterruptOptions): Promise<InterruptReport> {
    const interruptOptions = { ...given, ...(reason !== undefined && { reason }) }
    return interrupts.interrupt([...units.values()], interruptOptions)
  }

  function close({ graceMs = options.interruptGraceMs }: CloseOptions = {}): Promise<void> {
    const problem = numberProblem('graceMs', graceMs)
    if (problem !== null) return Promise.reject(problem)
    closed ??= hold.during(shutDown(graceMs))
    return closed
  }

  return {
    // Async: what is wrong with a call rejects its promise.
    dispatch: async (call) => {
      assertOpen()
      const session = currentSession()
      // A call that is no object has no such option: what is wrong with it is said below.
      if ((call as DispatchOptions | null | undefined)?.continueFrom === undefined)
        return admit(singleRequest(call, options, session), call)
      const from = await continuation(ledger, call).catch(asClosed)
      assertOpen()
      return admit(singleRequest(from.call, options, session, from), from.call)
    },
    dispatchBatch: async (call) => {
      assertOpen()
      return admit(batchRequest(call, options, currentSession()), call)
    },
    id: ownerId,
    limits: limitsOf(options),
    activeCount,
    list: whileThere(records.list),
    get: whileThere(records.get),
    capacity: whileThere(createCapacity({ options, ledger, records, counterFor: admission.counterFor })),
    usage: whileThere((given: UsageOptions = {}) => usageReport(ledger, given)),
    wait: whileThere(waits.wait),
    waitAndClaim: whileThere(waits.waitAndClaim),
    interrupt: whileThere((ids: string | readonly string[], given?: UnitInterruptOptions) =>
      interrupts.forIds(typeof ids === 'string' ? [ids] : ids, given),
    ),
    interruptForSession: whileThere(interrupts.forSession),
    interruptAll: whileThere(interruptAll),
    answer: whileThere(talks.answer),
    steer: whileThere(talks.steer),
    snapshot: () => takeSnapshot({ units: units.values(), hub, clock, limit: options.maxUnits }),
    endSession: whileThere(endSession),
    completions,
    events: hub.events,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}
