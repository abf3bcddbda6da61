/** What a unit tells of itself and of its children while it lives. What nobody hears is not put together. */
import { childFacts, noFacts, type ChildFacts } from '../core/child-facts.js'
import type { ChildResult } from '../core/event.js'
import type { ChildActivity } from '../pool/executor.js'
import type { Child } from './child.js'
import type { EventHub } from './events.js'
import { ownIndexes } from './groups.js'
import type { Unit } from './unit.js'

/** One child as anyone is shown it. */
interface ShownChild extends ChildFacts {
  readonly task_index: number
  readonly goal: string
  readonly state: string
}

export function factsOfChild({ activity, outcome }: Child): ChildFacts {
  return childFacts(activity?.progress ?? null, outcome?.fields ?? null)
}

/** Where one function runs all of a batch (R31), its state is that of each; what it used is counted at the first. */
export function shownChildren({ plan: { form }, draft: { goals } }: Unit, child: Child): ShownChild[] {
  const { index, goal, word: state } = child
  const facts = factsOfChild(child)
  if (form !== 'whole' || goals === null) return [{ task_index: index, goal, state, ...facts }]
  return goals.map((each, task) => ({
    task_index: task,
    goal: each,
    state,
    ...(task === 0 ? facts : noFacts),
  }))
}

/** A child that had ended before its unit was taken over. */
export function shownEntry({ draft: { goals, goal } }: Unit, entry: ChildResult): ShownChild {
  const { task_index: index, status = 'unknown' } = entry
  return { task_index: index, goal: goals?.[index] ?? goal, state: status, ...childFacts(null, entry) }
}

/** Then what happened to its children while it was made: nothing is told of a unit before itself. */
export function tellDispatched(hub: EventHub, unit: Unit, takenOver: boolean): void {
  const { id, plan, children } = unit
  const { parentId, slotKey, goals, goal, route, traceContext } = unit.draft
  // Looked for first: a listener may stop them.
  const begun = children.filter(({ word }) => word !== 'waiting')
  if (hub.isHeard('dispatched')) {
    hub.emit('dispatched', {
      delegation_id: id,
      goals: goals ?? [goal],
      task_indexes: ownIndexes(unit.draft),
      session_key: route.sessionKey,
      ...(parentId !== null && { parent_id: parentId }),
      slot_key: slotKey,
      ...(traceContext !== undefined && { trace_context: traceContext }),
      ...(takenOver && { taken_over: true }),
    })
  }
  if (!hub.isHeard('child')) return
  for (const entry of plan.recorded) {
    hub.emit('child', { delegation_id: id, ...shownEntry(unit, entry), result: entry })
  }
  for (const child of begun) tellChild(hub, unit, child)
}

/** The ends of children that one function ran (R31) are told by the completion. */
export function tellChild(hub: EventHub, unit: Unit, child: Child, result?: ChildResult): void {
  if (!hub.isHeard('child')) return
  for (const shown of shownChildren(unit, child)) {
    const told = { delegation_id: unit.id, ...shown }
    hub.emit('child', result === undefined || unit.plan.form === 'whole' ? told : { ...told, result })
  }
}

export function tellProgress(hub: EventHub, unit: Unit, child: Child, { lines }: ChildActivity): void {
  if (!hub.isHeard('progress')) return
  const progress = child.activity?.progress ?? null
  const told = { delegation_id: unit.id, task_index: child.index, progress, lines }
  hub.emit('progress', { ...told, ...factsOfChild(child) })
}

export function tellState(hub: EventHub, { id }: Unit, state: string): void {
  if (hub.isHeard('unit')) hub.emit('unit', { delegation_id: id, state })
}
