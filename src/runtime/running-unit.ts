/**
 * One unit: its children, run under their own limit, and its one end. Invariants:
 *
 * U1. Exactly one final event, in the ledger before anyone is told (P3, P4).
 * U2. A child's result is recorded when it ends, and nothing that happens later to the unit loses it (P5).
 * U3. The slot is given back when no child is live any more, not before (P6).
 */
import { roundedSeconds } from '../core/clock.js'
import type { ChildOutcome, StopRequest, UnitFacts } from '../core/completion.js'
import {
  initialUnitState,
  isActive,
  isSuccess,
  transition,
  type EndCause,
  type UnitState,
} from '../core/delegation.js'
import type { AsyncDelegationEvent, ChildResult } from '../core/event.js'
import { failPoint } from '../core/fail-point.js'
import { noticeEvent, noticeKind } from '../core/notice.js'
import type { Hold, Settlement, UnitDraft, UnitPatch } from '../ledger/shapes.js'
import type { ChildActivity, ChildRequest } from '../pool/executor.js'
import { Ending } from './ending.js'
import { createChild, type Child, type ChildWatcher } from './child.js'
import type { StopResult } from './child-stop.js'
import { UnitCosts } from './unit-costs.js'
import type { Unit, UnitEnd } from './unit.js'
import type { UnitDependencies, UnitPlan } from './unit-plan.js'
import { stopReport, type StopReport } from './stop-report.js'
import { tellChild, tellDispatched, tellProgress, tellState } from './unit-edges.js'
import { entryOf, outcomeOf, transcriptsOf, unitEvent, unitFacts } from './unit-event.js'

export function createUnit(plan: UnitPlan, dependencies: UnitDependencies): Unit {
  return new RunningUnit(plan, dependencies)
}

/** A class, because a unit is made for every dispatch: what it can do is shared, what it knows is its own. */
class RunningUnit implements Unit, ChildWatcher {
  readonly children: readonly Child[]
  readonly liveTranscripts: Readonly<Record<string, string>> | null
  readonly plan: UnitPlan
  readonly #dependencies: UnitDependencies
  readonly #dispatchedAt: number
  readonly #dispatchedMs: number
  readonly #entries: ChildResult[]
  readonly costs: UnitCosts
  #outcomes = 0
  #state: UnitState = initialUnitState
  #isTold = false
  #isRecorded = false
  #slotIsKept = false
  #isGone = false
  readonly #ending = new Ending<UnitEnd | 'taken_over'>()

  constructor(plan: UnitPlan, dependencies: UnitDependencies) {
    const { clock } = dependencies
    this.plan = plan
    this.#dependencies = dependencies
    this.#entries = [...plan.recorded]
    this.#dispatchedAt = plan.admittedAt ?? clock.now()
    this.#dispatchedMs = clock.monotonicMs()
    this.liveTranscripts = transcriptsOf(plan.draft.transcripts)
    this.children = plan.children.map((childPlan) => createChild(childPlan, clock, this))
    this.costs = new UnitCosts(plan, dependencies, this)
  }

  get id(): string {
    return this.plan.draft.id
  }

  get draft(): UnitDraft {
    return this.plan.draft
  }

  get hold(): Hold {
    return this.plan.hold
  }

  get state(): UnitState {
    return this.#state
  }

  get ended(): Promise<UnitEnd | 'taken_over'> {
    return this.#ending.promise
  }

  get isLive(): boolean {
    return this.#state.phase !== 'ended'
  }

  get runningSeconds(): number {
    return roundedSeconds(this.#dispatchedMs, this.#dependencies.clock.monotonicMs())
  }

  facts(): UnitFacts {
    return unitFacts(this.draft, this.#measures())
  }

  start(): void {
    this.plan.line.start(this.children)
    this.costs.start()
  }

  async stop(request: StopRequest, graceMs: number, only: Child | null = null): Promise<StopReport> {
    if (only === null) this.#interrupt(request)
    const stops: Promise<StopResult>[] = []
    for (const child of only === null ? this.children : [only]) {
      const stopping = child.stop(request, graceMs)
      if (stopping !== null) stops.push(stopping)
    }
    return stopReport(await Promise.all(stops))
  }

  #interrupt(request: StopRequest): void {
    const before = this.#state
    const at = this.#dependencies.clock.monotonicMs()
    this.#state = transition(before, { type: 'interrupt', at, ...request })
    if (this.#state !== before) this.#enter('interrupting')
  }

  stall(child: Child, request: StopRequest, graceMs: number): void {
    void child.stop(request, graceMs)
    if (this.children.some(({ outcome, word }) => outcome === null && word !== 'stalling')) return
    const before = this.#state
    this.#state = transition(before, { type: 'stalled', at: this.#dependencies.clock.monotonicMs() })
    if (this.#state !== before) this.#enter('stalling')
  }

  #enter(phase: 'interrupting' | 'stalling'): void {
    this.#record({ phase })
    tellState(this.#dependencies.hub, this, phase)
  }

  onStarted(child: Child): void {
    this.tellChild(child)
  }

  onRequest(child: Child, request: ChildRequest): void {
    this.#dependencies.onRequest({ unit: this, child }, request)
  }

  stopBelow(child: Child, request: StopRequest, graceMs: number): void {
    this.#dependencies.nested.onStopping(child, request, graceMs)
  }

  onStopping(child: Child): void {
    this.tellChild(child)
  }

  onActivity(child: Child, activity: ChildActivity): void {
    const { checkpoint } = activity
    if (checkpoint !== undefined && isActive(this.#state)) {
      this.#record({ child: { index: child.index, state: child.word, checkpoint } })
    }
    this.costs.onProgress(child.index, activity.progress)
    if (this.#isTold) tellProgress(this.#dependencies.hub, this, child, activity)
  }

  /** U2. The single child of a unit is recorded with the unit's own end, in the same tick. */
  onOutcome(child: Child, outcome: ChildOutcome): void {
    const { form } = this.plan
    const { hub } = this.#dependencies
    this.#outcomes += 1
    this.#dependencies.nested.onEnded(child, this.#dependencies.graceMs)
    if (child.conversation !== null) this.#dependencies.asking.drop(child)
    if (form === 'children' || hub.isHeard('child')) {
      const entry = entryOf(child, outcome)
      this.#entries.push(entry)
      if (form === 'children' && isActive(this.#state)) {
        this.#record({ child: { index: child.index, state: outcome.status, result: entry } })
      }
      this.tellChild(child, entry)
      if (this.#outcomes < this.children.length) this.#onEarlyEnd(entry)
    }
    this.costs.onOutcome(child.index, outcome)
    this.plan.line.leave(child)
    if (this.#outcomes === this.children.length) this.#finish()
  }

  /** One has ended while others go on. */
  #onEarlyEnd(entry: ChildResult): void {
    const { draft, tells } = this.plan
    if (this.#state.phase !== 'running' && this.#state.phase !== 'stalling') return
    const kind = noticeKind(tells, entry)
    if (kind !== null && draft.delivery === 'claim') {
      const event = noticeEvent(kind, this.facts(), draft.goals ?? [], entry)
      this.#attempt(this.#dependencies.publish(event))
    }
    if (tells.policy !== 'first' || !isSuccess(entry.status)) return
    const reason = 'another child of the batch was done first'
    this.#attempt(this.stop({ cause: 'interrupted', reason }, tells.graceMs))
  }

  onEnd(child: Child, late: ChildOutcome | null): void {
    if (late !== null) {
      this.#record({ child: { index: child.index, state: late.status, result: entryOf(child, late) } })
    }
    this.#leaveIfGone()
  }

  /** The ledger's own troubles never reach a child or its watcher. */
  #attempt(step: Promise<unknown>): void {
    step.catch((error: unknown) => this.#dependencies.hub.emit('fault', error as Error))
  }

  #record(patch: UnitPatch): void {
    this.#attempt(this.#dependencies.ledger.record(this.plan.hold, patch))
  }

  tellDispatched(takenOver: boolean): void {
    this.#isTold = true
    tellDispatched(this.#dependencies.hub, this, takenOver)
  }

  tellChild(child: Child, result?: ChildResult): void {
    if (this.#isTold) tellChild(this.#dependencies.hub, this, child, result)
  }

  #finish(): void {
    if (!isActive(this.#state)) return
    const event = this.costs.tell(this.#buildEvent())
    const cause = this.#causeOf(event.status)
    this.#state = transition(this.#state, { type: 'finish', status: event.status, cause })
    tellState(this.#dependencies.hub, this, 'finalizing')
    // A child's end follows its outcome in the same tick unless it was forced: let it, so that its slot goes with it.
    queueMicrotask(() => void this.#settle(event, cause))
  }

  #causeOf(status: string): EndCause {
    if (this.#state.phase === 'interrupting' && !isSuccess(status)) return this.#state.cause
    return this.children[0]?.outcome?.cause ?? 'returned'
  }

  async #settle(event: AsyncDelegationEvent, cause: EndCause): Promise<void> {
    const { ledger, hub, collector } = this.#dependencies
    const claimedBy = collector()
    this.#slotIsKept = this.#hasLiveChild()
    const slot = this.#slotIsKept ? 'kept' : 'freed'
    const end: Settlement = { state: event.status, cause, event, slot, ...this.costs.settlement() }
    let ending: UnitEnd | 'taken_over' | Error
    try {
      failPoint('settle:before')
      const settled = await ledger.settle(this.plan.hold, claimedBy === null ? end : { ...end, claimedBy })
      failPoint('settle:committed')
      this.#endAs(event.status)
      if (settled.won && settled.fault !== undefined) hub.emit('fault', settled.fault)
      if (settled.won) hub.emit('completion', settled.event)
      if (settled.won) this.costs.onSettled(settled.spent)
      // Not won: taken over while this process slept. The new owner's end counts, and is not ours to tell (P4).
      ending = settled.won ? settled : 'taken_over'
    } catch (error) {
      this.#endAs(event.status)
      hub.emit('fault', error as Error)
      ending = error as Error
    }
    this.#isRecorded = true
    this.#ending.set(ending)
    this.#leaveIfGone()
  }

  #endAs(status: string): void {
    this.#state = transition(this.#state, { type: 'recorded' })
    tellState(this.#dependencies.hub, this, status)
  }

  #hasLiveChild(): boolean {
    return this.children.some((child) => child.isLive)
  }

  /** U3. */
  #leaveIfGone(): void {
    if (!this.#isRecorded || this.#isGone || this.#hasLiveChild()) return
    this.#isGone = true
    if (this.#slotIsKept) this.#attempt(this.#dependencies.ledger.freeSlot(this.plan.hold))
    this.#dependencies.onGone()
  }

  #buildEvent(): AsyncDelegationEvent {
    return unitEvent({
      form: this.plan.form,
      draft: this.draft,
      first: outcomeOf(this.children[0]),
      results: this.#entries.sort((a, b) => a.task_index - b.task_index),
      ...this.#measures(),
    })
  }

  #measures() {
    return {
      dispatchedAt: this.#dispatchedAt,
      completedAt: this.#dependencies.clock.now(),
      durationSeconds: this.runningSeconds,
      liveTranscripts: this.liveTranscripts,
    }
  }
}
