/**
 * One child of a unit, from its hand-over to the proof that nothing of it runs any more. Invariants:
 *
 * C1. Its outcome is decided once, and the first cause wins: a result returned inside the grace is delivered as it is.
 * C2. Its outcome and its end are two things: a child that ignores a stop has its outcome when the grace ends, and its
 *     end when its executor proves it, or never (P6).
 */
import type { Clock } from '../core/clock.js'
import { roundedSeconds } from '../core/clock.js'
import {
  outcomeOfError,
  outcomeOfResult,
  stoppedOutcome,
  type ChildOutcome,
  type StopRequest,
} from '../core/completion.js'
import { assertNever } from '../core/errors.js'
import { errorDetail } from '../pool/error-detail.js'
import type { ChildActivity, ChildEnd, ChildJob, ChildRun, Executor } from '../pool/executor.js'

type ChildState =
  | { readonly phase: 'waiting' }
  | { readonly phase: 'running'; readonly run: ChildRun; readonly stop: StopRequest | null }
  | { readonly phase: 'abandoned'; readonly run: ChildRun; readonly outcome: ChildOutcome }
  | { readonly phase: 'ended'; readonly outcome: ChildOutcome }

/** How a stop went: by itself within the grace, by force, or not at all. */
export type StopResult = 'stopped' | 'escalated' | 'unreachable'

/** Told on the host's loop. Contract: must not throw. */
export interface ChildWatcher {
  onActivity(child: Child, activity: ChildActivity): void
  onStarted(child: Child): void
  /** Exactly once (C1). */
  onOutcome(child: Child, outcome: ChildOutcome): void
  /** Exactly once, at or after `onOutcome`; `late` is what it returned although its outcome was decided (P4). */
  onEnd(child: Child, late: ChildOutcome | null): void
}

export interface Child {
  readonly index: number
  readonly goal: string
  /** `waiting`, `running`, `interrupting`, then its terminal word. */
  readonly word: string
  /** Something of it may still run. */
  readonly isLive: boolean
  readonly outcome: ChildOutcome | null
  /** Seconds since its runner was handed over; 0 before. */
  readonly seconds: number
  readonly activity: ChildActivity | null
  readonly secondsSinceActivity: number | null
  /** Hands it to its executor. @throws what the executor throws: then nothing of it runs, and it is still waiting. */
  start(): void
  /** It could not be handed over, and says so as its outcome. Only while it is waiting. */
  failToStart(error: unknown): void
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

/** How long the proof of a forced end is waited for before a child counts as unreachable, ms. */
const proofMs = 1_000

export function createChild(plan: ChildPlan, clock: Clock, watcher: ChildWatcher): Child {
  let state: ChildState = { phase: 'waiting' }
  let startedMs: number | null = null
  let endedMs: number | null = null
  let activity: ChildActivity | null = null
  let activityMs = 0
  let stopping: { result: Promise<StopResult>; ended: () => void } | null = null
  let stopTimeout = (): void => undefined

  const isLive = (): boolean => state.phase === 'running' || state.phase === 'abandoned'
  const outcome = (): ChildOutcome | null => ('outcome' in state ? state.outcome : null)

  function decide(decided: ChildOutcome): void {
    endedMs = clock.monotonicMs()
    stopTimeout()
    watcher.onOutcome(child, decided)
  }

  function onEnd(end: ChildEnd): void {
    switch (state.phase) {
      case 'running': {
        const decided = outcomeOfEnd(end, state.stop)
        state = { phase: 'ended', outcome: decided }
        decide(decided)
        stopping?.ended()
        return watcher.onEnd(child, null)
      }
      case 'abandoned':
        state = { phase: 'ended', outcome: state.outcome }
        stopping?.ended()
        return watcher.onEnd(child, end.kind === 'lost' ? null : outcomeOfEnd(end, null))
      case 'waiting':
      case 'ended':
        return
      default:
        return assertNever(state)
    }
  }

  function endUnstarted(decided: ChildOutcome): void {
    state = { phase: 'ended', outcome: decided }
    decide(decided)
    watcher.onEnd(child, null)
  }

  /** The grace is over: the outcome is decided now, the end comes with its proof (C2). */
  function force(run: ChildRun, request: StopRequest, graceMs: number): boolean {
    const reason = `${request.reason} (it did not stop within ${graceMs / 1000} s)`
    const decided = stoppedOutcome({ ...request, reason })
    state = { phase: 'abandoned', run, outcome: decided }
    decide(decided)
    return run.terminate()
  }

  function beginStop(run: ChildRun, request: StopRequest, graceMs: number): Promise<StopResult> {
    state = { phase: 'running', run, stop: request }
    let resolve: (result: StopResult) => void = () => undefined
    const result = new Promise<StopResult>((settle) => (resolve = settle))
    let ifEnded: StopResult = 'stopped'
    let cancel = clock.after(graceMs, () => {
      if (state.phase !== 'running') return
      ifEnded = 'escalated'
      if (force(run, request, graceMs)) cancel = clock.after(proofMs, () => resolve('unreachable'))
      else resolve('unreachable')
    })
    const ended = (): void => {
      cancel()
      resolve(ifEnded)
    }
    stopping = { result, ended }
    run.interrupt(request.reason)
    return result
  }

  const child: Child = {
    index: plan.index,
    goal: plan.job.task.goal,
    get word() {
      if (state.phase === 'waiting') return 'waiting'
      if (state.phase === 'running') return state.stop === null ? 'running' : 'interrupting'
      return state.outcome.status
    },
    get isLive() {
      return isLive()
    },
    get outcome() {
      return outcome()
    },
    get seconds() {
      return startedMs === null ? 0 : roundedSeconds(startedMs, endedMs ?? clock.monotonicMs())
    },
    get activity() {
      return activity
    },
    get secondsSinceActivity() {
      return startedMs === null ? null : roundedSeconds(activityMs, clock.monotonicMs())
    },
    start() {
      if (state.phase !== 'waiting') return
      const run = plan.executor.run(plan.job, {
        onStarted: () => watcher.onStarted(child),
        onActivity(seen) {
          activity = { ...seen, progress: seen.progress ?? activity?.progress ?? null }
          activityMs = clock.monotonicMs()
          if (isLive()) watcher.onActivity(child, seen)
        },
        onEnd,
      })
      state = { phase: 'running', run, stop: null }
      startedMs = activityMs = clock.monotonicMs()
      if (plan.timeoutMs === null) return
      const seconds = plan.timeoutMs / 1000
      stopTimeout = clock.after(plan.timeoutMs, () => {
        void child.stop({ cause: 'timeout', reason: `timed out after ${seconds} s` }, plan.timeoutGraceMs)
      })
    },
    failToStart(error) {
      if (state.phase === 'waiting') endUnstarted(outcomeOfError(errorDetail(error), 'lost', null))
    },
    stop(request, graceMs) {
      if (state.phase === 'waiting') {
        endUnstarted(stoppedOutcome({ ...request, reason: `${request.reason} (it had not started)` }))
        return null
      }
      if (state.phase === 'ended') return null
      if (stopping !== null) return stopping.result
      return state.phase === 'running' ? beginStop(state.run, request, graceMs) : null
    },
  }
  return child
}

function outcomeOfEnd(end: ChildEnd, stop: StopRequest | null): ChildOutcome {
  if (end.kind === 'returned') return outcomeOfResult(end.result, stop)
  return outcomeOfError(end.error, end.kind, stop)
}
