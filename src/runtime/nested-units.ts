/**
 * Which units are below which child, while something of them runs. Invariants:
 *
 * N1. What stops a child, for whatever reason, stops what is below it, with a shorter grace, so that the child can still
 *     return what became of it; and nothing below a child outlives it.
 * N2. A stop counts each live child once, however deep it is.
 */
import type { StopRequest } from '../core/completion.js'
import type { Clock } from '../core/clock.js'
import { graceBelow } from '../core/grace.js'
import type { Child } from './child.js'
import { sumOf, type InterruptReport, type StopReport } from './stop-report.js'
import type { Unit } from './unit.js'

/** All of a unit, or one of its children. */
export interface StopTarget {
  readonly unit: Unit
  readonly child: Child | null
}

export interface NestedUnits {
  /** Its parent's child waits for it from now on, until it is gone. */
  add(unit: Unit): void
  remove(unit: Unit): void
  /** Of the host's own units 1; of those that a child of them started 2. */
  depthOf(unit: Unit): number
  /** Since the child last waited for units below it, ms: 0 while it does, `Infinity` if it never did. */
  quietMs(child: Child): number
  onStopping(child: Child, request: StopRequest, graceMs: number): void
  onEnded(child: Child, graceMs: number): void
  /** Stops the targets and all that is below them (N2). */
  stop(targets: readonly StopTarget[], request: StopRequest, graceMs: number): Promise<InterruptReport>
}

export function createNestedUnits(clock: Clock): NestedUnits {
  const below = new Map<Child, Set<Unit>>()
  const lastWaitedMs = new WeakMap<Child, number>()

  const depthOf = ({ plan: { parent } }: Unit): number => (parent === null ? 1 : 1 + depthOf(parent.unit))

  function stopBelow(child: Child, request: StopRequest, graceMs: number): void {
    for (const unit of below.get(child) ?? []) void unit.stop(request, graceMs)
  }

  return {
    depthOf,
    add(unit) {
      const { parent } = unit.plan
      if (parent === null) return
      const siblings = below.get(parent.child)
      if (siblings === undefined) below.set(parent.child, new Set([unit]))
      else siblings.add(unit)
    },
    remove(unit) {
      const { parent } = unit.plan
      if (parent === null) return
      const { child } = parent
      const siblings = below.get(child)
      siblings?.delete(unit)
      if (siblings?.size !== 0) return
      below.delete(child)
      lastWaitedMs.set(child, clock.monotonicMs())
    },
    quietMs(child) {
      if (below.has(child)) return 0
      const waitedMs = lastWaitedMs.get(child)
      return waitedMs === undefined ? Infinity : clock.monotonicMs() - waitedMs
    },
    onStopping: (child, { reason }, graceMs) =>
      stopBelow(child, { cause: 'interrupted', reason }, graceBelow(graceMs)),
    onEnded: (child, graceMs) =>
      stopBelow(child, { cause: 'interrupted', reason: 'the child that started it has ended' }, graceMs),
    async stop(targets, request, graceMs) {
      const reports = new Map<Unit, Promise<StopReport>>()
      // Parents come first: what is below them is then found with the grace that is left to it.
      const order = [...targets].sort((a, b) => depthOf(a.unit) - depthOf(b.unit))
      function reach({ unit, child }: StopTarget, withinMs: number): void {
        if (reports.has(unit)) return
        if (unit.isLive) reports.set(unit, unit.stop(request, withinMs, child))
        for (const each of child === null ? unit.children : [child]) {
          for (const nested of below.get(each) ?? [])
            reach({ unit: nested, child: null }, graceBelow(withinMs))
        }
      }
      for (const target of order) reach(target, graceMs)
      return { ...sumOf(await Promise.all(reports.values())), units: reports.size }
    },
  }
}
