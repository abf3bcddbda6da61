/**
 * One child of a unit, from its hand-over to the proof that nothing of it runs any more. Invariants:
 *
 * C1. Its outcome is decided once, and the first cause wins: a result returned inside the grace is delivered as it is.
 * C2. Its outcome and its end are two things: a child that ignores a stop has its outcome when the grace ends, and its
 *     end when its executor proves it, or never (P6).
 */
import type { Clock } from '../core/clock.js'
import { roundedSeconds } from '../core/clock.js'
import { outcomeOfError, stoppedOutcome, type ChildOutcome, type StopRequest } from '../core/completion.js'
import { assertNever } from '../core/errors.js'
import { failPoint } from '../core/fail-point.js'
import type { Json } from '../core/json.js'
import { errorDetail } from '../pool/error-detail.js'
import type {
  ChildActivity,
  ChildEnd,
  ChildJob,
  ChildObserver,
  ChildRequest,
  ChildRun,
  Executor,
} from '../pool/executor.js'
import { createStopping, type Stopping, type StopResult } from './child-stop.js'
import { outcomeOfEnd, outcomeOfForce, wordOfRunning } from './child-words.js'
import type { Conversation } from './conversation.js'

type ChildState =
  | { readonly phase: 'waiting' }
  | { readonly phase: 'running'; readonly run: ChildRun; readonly stop: StopRequest | null }
  | { readonly phase: 'abandoned'; readonly run: ChildRun; readonly outcome: ChildOutcome }
  | { readonly phase: 'ended'; readonly outcome: ChildOutcome }

/** Told on the host's loop. Contract: must not throw. */
export interface ChildWatcher {
  onActivity(child: Child, activity: ChildActivity): void
  onStarted(child: Child): void
  /** Only while its outcome is open. */
  onRequest(child: Child, request: ChildRequest): void
  /** Its first stop was asked for, by whomever. */
  onStopping(child: Child): void
  /** What it has started is to be stopped, within this grace of its own; again when that becomes shorter. */
  stopBelow(child: Child, request: StopRequest, graceMs: number): void
  /** Exactly once (C1). */
  onOutcome(child: Child, outcome: ChildOutcome): void
  /** Exactly once, at or after `onOutcome`; `late` is what it returned although its outcome was decided (P4). */
  onEnd(child: Child, late: ChildOutcome | null): void
}

export interface Child {
  readonly index: number
  readonly job: ChildJob
  readonly goal: string
  /** `waiting` until its runner is called, `running`, `queued`, `input_required` or `auth_required`, `stalling` or `interrupting`, then its terminal word. */
  readonly word: string
  /** Something of it may still run. */
  readonly isLive: boolean
  readonly outcome: ChildOutcome | null
  /** Seconds since its runner was handed over; 0 before. */
  readonly seconds: number
  readonly activity: ChildActivity | null
  readonly secondsSinceActivity: number | null
  /** It runs, and nobody has asked it to stop. */
  readonly goesOn: boolean
  /** It goes on, and its runner shows progress: silence then means something. */
  readonly isMonitored: boolean
  readonly isInTool: boolean
  /** What is asked by it and said to it; null until something is. */
  conversation: Conversation | null
  /** Since the last sign of life, ms. */
  readonly quietMs: number
  /** Hands it to its executor. @throws what the executor throws: then nothing of it runs, and it is still waiting. */
  start(): void
  /** It could not be handed over, and says so as its outcome. Only while it is waiting. */
  failToStart(error: unknown): void
  /** False: its event loop did not answer within `withinMs`. */
  heartbeat(withinMs: number): Promise<boolean>
  /** See `ChildRun`; false at once for one that does not run. */
  tell(kind: string, payload: Json, onTaken: (taken: boolean) => void): void
  /** Polite, then forced after `graceMs`. Resolves when it is known how that went; null if there was nothing to stop. */
  stop(request: StopRequest, graceMs: number): Promise<StopResult> | null
}

export interface ChildPlan {
  readonly index: number
  readonly job: ChildJob
  readonly executor: Executor
  /** Wall clock limit of this child, ms; null for none. */
  readonly timeoutMs: number | null
  /** Grace of that limit, ms. */
  readonly timeoutGraceMs: number
}

const waiting: ChildState = { phase: 'waiting' }

export function createChild(plan: ChildPlan, clock: Clock, watcher: ChildWatcher): Child {
  return new RunningChild(plan, clock, watcher)
}

/** A class, because there may be very many: what it can do is shared, what it knows is its own. */
class RunningChild implements Child, ChildObserver {
  activity: ChildActivity | null = null
  conversation: Conversation | null = null
  readonly #plan: ChildPlan
  readonly #clock: Clock
  readonly #watcher: ChildWatcher
  #state: ChildState = waiting
  #isCalled = false
  #startedMs: number | null = null
  #endedMs: number | null = null
  #activityMs = 0
  #stopping: Stopping | null = null
  #stopTimeout: (() => void) | null = null

  constructor(plan: ChildPlan, clock: Clock, watcher: ChildWatcher) {
    this.#plan = plan
    this.#clock = clock
    this.#watcher = watcher
  }

  get index(): number {
    return this.#plan.index
  }

  get job(): ChildJob {
    return this.#plan.job
  }

  get goal(): string {
    return this.job.task.goal
  }

  get word(): string {
    const state = this.#state
    if (state.phase === 'waiting') return wordOfRunning(null, this.#isCalled, false, null)
    if (state.phase === 'running') {
      const { progress } = this.activity ?? { progress: null }
      return wordOfRunning(state.stop, this.#isCalled, this.#waitsForAnswer, progress)
    }
    return state.outcome.status
  }

  get isLive(): boolean {
    return this.#state.phase === 'running' || this.#state.phase === 'abandoned'
  }

  get outcome(): ChildOutcome | null {
    return 'outcome' in this.#state ? this.#state.outcome : null
  }

  get seconds(): number {
    if (this.#startedMs === null) return 0
    return roundedSeconds(this.#startedMs, this.#endedMs ?? this.#clock.monotonicMs())
  }

  get goesOn(): boolean {
    return this.#state.phase === 'running' && this.#state.stop === null
  }

  get isMonitored(): boolean {
    if (!this.goesOn || this.#waitsForAnswer) return false
    const { runner } = this.#plan.job
    const declared = typeof runner === 'function' ? undefined : runner.reportsProgress
    return declared ?? (this.activity?.progress ?? null) !== null
  }

  get #waitsForAnswer(): boolean {
    return this.conversation !== null && this.conversation.questions.size > 0
  }

  get isInTool(): boolean {
    return Boolean(this.activity?.progress?.['current_tool'])
  }

  get quietMs(): number {
    if (this.#startedMs === null) return 0
    // Who had to wait for an answer was not quiet of its own accord.
    const sinceMs = Math.max(this.#activityMs, this.conversation?.answeredMs ?? 0)
    return this.#clock.monotonicMs() - sinceMs
  }

  get secondsSinceActivity(): number | null {
    return this.#startedMs === null ? null : roundedSeconds(this.#activityMs, this.#clock.monotonicMs())
  }

  start(): void {
    if (this.#state.phase !== 'waiting') return
    const { executor, job, timeoutMs, timeoutGraceMs } = this.#plan
    const run = executor.run(job, this)
    this.#state = { phase: 'running', run, stop: null }
    this.#startedMs = this.#activityMs = this.#clock.monotonicMs()
    if (timeoutMs === null) return
    const request = { cause: 'timeout', reason: `timed out after ${timeoutMs / 1000} s` } as const
    this.#stopTimeout = this.#clock.after(timeoutMs, () => void this.stop(request, timeoutGraceMs))
  }

  failToStart(error: unknown): void {
    if (this.#state.phase === 'waiting') this.#endUnstarted(outcomeOfError(errorDetail(error), 'lost', null))
  }

  stop(request: StopRequest, graceMs: number): Promise<StopResult> | null {
    const state = this.#state
    if (state.phase === 'waiting') {
      this.#endUnstarted(stoppedOutcome({ ...request, reason: `${request.reason} (it had not started)` }))
      return null
    }
    if (state.phase === 'ended') return null
    if (this.#stopping !== null) {
      this.#stopping.hasten(graceMs)
      return this.#stopping.result
    }
    return state.phase === 'running' ? this.#beginStop(state.run, request, graceMs) : null
  }

  heartbeat(withinMs: number): Promise<boolean> {
    return this.#state.phase === 'running' ? this.#state.run.heartbeat(withinMs) : Promise.resolve(true)
  }

  tell(kind: string, payload: Json, onTaken: (taken: boolean) => void): void {
    if (this.#state.phase === 'running') this.#state.run.tell(kind, payload, onTaken)
    else onTaken(false)
  }

  onRequest(request: ChildRequest): void {
    if (this.#state.phase === 'running') this.#watcher.onRequest(this, request)
  }

  onStarted(): void {
    this.#isCalled = true
    // A child that stood in line has not been quiet.
    this.#activityMs = this.#clock.monotonicMs()
    this.#watcher.onStarted(this)
  }

  onActivity(seen: ChildActivity): void {
    this.activity = { ...seen, progress: seen.progress ?? this.activity?.progress ?? null }
    this.#activityMs = this.#clock.monotonicMs()
    if (this.isLive) this.#watcher.onActivity(this, seen)
  }

  onEnd(end: ChildEnd): void {
    failPoint('child:ended')
    const state = this.#state
    switch (state.phase) {
      case 'running': {
        const decided = outcomeOfEnd(end, state.stop, this.activity)
        this.#state = { phase: 'ended', outcome: decided }
        this.#decide(decided)
        this.#stopping?.ended()
        return this.#watcher.onEnd(this, null)
      }
      case 'abandoned':
        this.#state = { phase: 'ended', outcome: state.outcome }
        this.#stopping?.ended()
        return this.#watcher.onEnd(this, end.kind === 'lost' ? null : outcomeOfEnd(end, null, this.activity))
      case 'waiting':
      case 'ended':
        return
      default:
        return assertNever(state)
    }
  }

  #decide(decided: ChildOutcome): void {
    this.#endedMs = this.#clock.monotonicMs()
    this.#stopTimeout?.()
    this.#watcher.onOutcome(this, decided)
  }

  #endUnstarted(decided: ChildOutcome): void {
    this.#state = { phase: 'ended', outcome: decided }
    this.#decide(decided)
    this.#watcher.onEnd(this, null)
  }

  /** The grace is over: the outcome is decided now, the end comes with its proof (C2). */
  #force(run: ChildRun, request: StopRequest, graceMs: number): boolean {
    const reason = `${request.reason} (it did not stop within ${graceMs / 1000} s)`
    const decided = outcomeOfForce({ ...request, reason }, this.activity)
    this.#state = { phase: 'abandoned', run, outcome: decided }
    failPoint('child:abandoned')
    this.#decide(decided)
    return run.terminate()
  }

  #beginStop(run: ChildRun, request: StopRequest, graceMs: number): Promise<StopResult> {
    this.#state = { phase: 'running', run, stop: request }
    const ask = (withinMs: number): void => {
      run.interrupt(request.reason, withinMs)
      this.#watcher.stopBelow(this, request, withinMs)
    }
    const steps = {
      clock: this.#clock,
      isRunning: () => this.#state.phase === 'running',
      ask,
      force: (afterMs: number) => this.#force(run, request, afterMs),
    }
    const stopping = createStopping(steps, graceMs)
    this.#stopping = stopping
    this.#watcher.onStopping(this)
    ask(graceMs)
    return stopping.result
  }
}
