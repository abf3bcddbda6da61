/**
 * One unit: its children, run under their own limit, and its one end. Invariants:
 *
 * U1. Exactly one final event, in the ledger before anyone is told (P3, P4).
 * U2. A child's result is recorded when it ends, and nothing that happens later to the unit loses it (P5).
 * U3. The slot is given back when no child is live any more, not before (P6).
 */
import pLimit, { type LimitFunction } from 'p-limit'
import type { Clock } from '../core/clock.js'
import { roundedSeconds } from '../core/clock.js'
import { childEntry, type ChildOutcome, type StopRequest } from '../core/completion.js'
import {
  initialUnitState,
  isActive,
  isSuccess,
  transition,
  type EndCause,
  type UnitState,
} from '../core/delegation.js'
import type { AsyncDelegationEvent, ChildResult } from '../core/event.js'
import type { Claim, Hold, Ledger, UnitDraft } from '../ledger/ledger.js'
import { createChild, type Child, type ChildPlan, type ChildWatcher, type StopResult } from './child.js'
import type { EventHub } from './events.js'
import { unitEvent, type UnitForm } from './unit-event.js'

export interface UnitPlan {
  readonly form: UnitForm
  readonly draft: UnitDraft
  readonly hold: Hold
  readonly children: readonly ChildPlan[]
  readonly maxConcurrentChildren: number
}

export interface UnitDependencies {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly hub: EventHub
  /** Called once, when no child is live and the end is recorded: the unit can be forgotten. */
  readonly onGone: (unit: Unit) => void
  /** Who takes the event as its claim, if anybody waits to collect it. */
  readonly collector: () => { readonly consumer: string; readonly leaseSeconds: number } | null
}

/** Live children at the time of a stop, and how each was brought to its end. `signalled` is the sum of the other three. */
export interface StopReport {
  readonly signalled: number
  readonly stopped: number
  readonly escalated: number
  readonly unreachable: number
}

/** The end of a unit, as the ledger has it. `claim` is there for who asked to collect it. */
export interface UnitEnd {
  readonly event: AsyncDelegationEvent
  readonly claim: Claim | null
}

export interface Unit {
  readonly id: string
  readonly draft: UnitDraft
  readonly state: UnitState
  readonly children: readonly Child[]
  readonly isLive: boolean
  readonly runningSeconds: number
  /** Paths by child index; null where no transcripts are kept. */
  readonly liveTranscripts: Readonly<Record<string, string>> | null
  /** Resolves once the ledger has the end. Rejects only if the ledger fails for good. */
  readonly ended: Promise<UnitEnd>
  /** Hands the first child over before it returns. @throws if that cannot be done: then nothing of the unit runs (R18). */
  start(): void
  /** Stops every live child; the unit ends no later than the grace does. */
  stop(request: StopRequest, graceMs: number): Promise<StopReport>
}

export function createUnit(plan: UnitPlan, dependencies: UnitDependencies): Unit {
  const { clock, ledger, hub } = dependencies
  const { draft, hold, form } = plan
  const dispatchedAt = clock.now()
  const dispatchedMs = clock.monotonicMs()
  let state: UnitState = initialUnitState
  let isRecorded = false
  let slotIsKept = false
  let isGone = false
  let limit: LimitFunction | null = null
  let resolveEnded: (end: UnitEnd) => void = () => undefined
  let rejectEnded: (error: Error) => void = () => undefined
  const ended = new Promise<UnitEnd>((resolve, reject) => {
    resolveEnded = resolve
    rejectEnded = reject
  })
  ended.catch(() => undefined) // told as a fault; whoever waits is told again

  const liveTranscripts = transcriptsOf(plan)
  const entries = new Map<number, ChildResult>()
  /** What a queued child's place in line waits for: its outcome. */
  const outcomeWaiters = new Map<Child, () => void>()

  const watcher: ChildWatcher = {
    onStarted: (child) => tellChild(child, 'running'),
    onActivity(child, { progress, lines, checkpoint }) {
      if (checkpoint !== undefined && isActive(state)) {
        attempt(ledger.record(hold, { child: { index: child.index, state: child.word, checkpoint } }))
      }
      hub.emit('progress', { delegation_id: draft.id, task_index: child.index, progress, lines })
    },
    onOutcome: settleChild,
    onEnd(child, late) {
      if (late !== null) {
        const patch = { index: child.index, state: late.status, result: entryOf(child, late) }
        attempt(ledger.record(hold, { child: patch }))
      }
      leaveIfGone()
    },
  }
  const children = plan.children.map((childPlan) => createChild(childPlan, clock, watcher))

  /** The ledger's own troubles never reach a child or its watcher. */
  function attempt(step: Promise<unknown>): void {
    step.catch((error: unknown) => hub.emit('fault', error as Error))
  }

  function tellChild(child: Child, word: string, result?: ChildResult): void {
    hub.emit('child', {
      delegation_id: draft.id,
      task_index: child.index,
      goal: child.goal,
      state: word,
      ...(result !== undefined && { result }),
    })
  }

  function entryOf(child: Child, outcome: ChildOutcome): ChildResult {
    const { job } = plan.children[child.index] ?? {}
    const known = {
      model: job?.task.model ?? null,
      durationSeconds: child.seconds,
      transcript: job?.transcriptPath ?? null,
    }
    return childEntry(child.index, outcome, known)
  }

  /** U2. The single child of a unit is recorded with the unit's own end, in the same tick. */
  function settleChild(child: Child, outcome: ChildOutcome): void {
    const entry = entryOf(child, outcome)
    entries.set(child.index, entry)
    if (form === 'children' && isActive(state)) {
      attempt(ledger.record(hold, { child: { index: child.index, state: outcome.status, result: entry } }))
    }
    tellChild(child, outcome.status, entry)
    outcomeWaiters.get(child)?.()
    outcomeWaiters.delete(child)
    finishIfDone()
  }

  function finishIfDone(): void {
    if (entries.size === children.length) finish()
  }

  function finish(): void {
    if (!isActive(state)) return
    const event = buildEvent()
    const cause = causeOf(event.status)
    state = transition(state, { type: 'finish', status: event.status, cause })
    // A child's end follows its outcome in the same tick unless it was forced: let it, so that its slot goes with it.
    queueMicrotask(() => void record(event, cause))
  }

  function causeOf(status: string): EndCause {
    if (state.phase === 'interrupting' && !isSuccess(status)) return state.cause
    return children[0]?.outcome?.cause ?? 'returned'
  }

  async function record(event: AsyncDelegationEvent, cause: EndCause): Promise<void> {
    const claimedBy = dependencies.collector()
    slotIsKept = hasLiveChild()
    const slot = slotIsKept ? 'kept' : 'freed'
    const end = { state: event.status, cause, event, slot, ...(claimedBy !== null && { claimedBy }) } as const
    try {
      const settled = await ledger.settle(hold, end)
      state = transition(state, { type: 'recorded' })
      if (settled.won) hub.emit('completion', settled.event)
      // Not won: taken over while this process slept. The new owner's end counts, and is not ours to tell (P4).
      resolveEnded(settled.won ? settled : { event, claim: null })
    } catch (error) {
      state = transition(state, { type: 'recorded' })
      hub.emit('fault', error as Error)
      rejectEnded(error as Error)
    }
    isRecorded = true
    leaveIfGone()
  }

  const hasLiveChild = (): boolean => children.some((child) => child.isLive)

  /** U3. */
  function leaveIfGone(): void {
    if (!isRecorded || isGone || hasLiveChild()) return
    isGone = true
    if (slotIsKept) attempt(ledger.freeSlot(hold))
    dependencies.onGone(unit)
  }

  function buildEvent(): AsyncDelegationEvent {
    return unitEvent({
      form,
      draft,
      first: children[0]?.outcome ?? null,
      results: [...entries.values()].sort((a, b) => a.task_index - b.task_index),
      dispatchedAt,
      completedAt: clock.now(),
      durationSeconds: roundedSeconds(dispatchedMs, clock.monotonicMs()),
      liveTranscripts,
    })
  }

  function start(): void {
    const [first, ...rest] = children
    first?.start()
    if (rest.length === 0) return
    limit = pLimit({ concurrency: plan.maxConcurrentChildren, rejectOnClear: true })
    if (first) void limit(() => outcomeOf(first))
    for (const child of rest) {
      limit(() => {
        if (child.word !== 'waiting') return
        startOrFail(child)
        return outcomeOf(child)
      }).catch(() => undefined) // the line was cleared by a stop, which has settled the child
    }
  }

  function outcomeOf(child: Child): Promise<void> {
    if (child.outcome !== null) return Promise.resolve()
    return new Promise((resolve) => outcomeWaiters.set(child, resolve))
  }

  /** A later child that cannot be handed over fails alone: its siblings already run. */
  function startOrFail(child: Child): void {
    try {
      child.start()
    } catch (error) {
      child.failToStart(error)
    }
  }

  async function stop(request: StopRequest, graceMs: number): Promise<StopReport> {
    const at = clock.monotonicMs()
    const before = state
    state = transition(state, { type: 'interrupt', at, ...request })
    if (state !== before) attempt(ledger.record(hold, { phase: 'interrupting' }))
    limit?.clearQueue()
    const stops: Promise<StopResult>[] = []
    for (const child of children) {
      const stopping = child.stop(request, graceMs)
      if (stopping !== null) {
        tellChild(child, child.word)
        stops.push(stopping)
      }
    }
    const results = await Promise.all(stops)
    const count = (wanted: StopResult): number => results.filter((result) => result === wanted).length
    return {
      signalled: results.length,
      stopped: count('stopped'),
      escalated: count('escalated'),
      unreachable: count('unreachable'),
    }
  }

  const unit: Unit = {
    id: draft.id,
    draft,
    children,
    liveTranscripts,
    ended,
    start,
    stop,
    get state() {
      return state
    },
    get isLive() {
      return state.phase !== 'ended'
    },
    get runningSeconds() {
      return roundedSeconds(dispatchedMs, clock.monotonicMs())
    },
  }
  return unit
}

function transcriptsOf({ children }: UnitPlan): Readonly<Record<string, string>> | null {
  const paths = children.flatMap(({ index, job }) =>
    job.transcriptPath === null ? [] : [[String(index), job.transcriptPath] as const],
  )
  return paths.length === 0 ? null : Object.fromEntries(paths)
}
