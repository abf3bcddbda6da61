/**
 * Records how the children of live units are, for those who look from other processes. One timer for all of them, none
 * while nothing lives, and nothing for children that are gone before it has come twice.
 */
import type { Clock } from '../core/clock.js'
import { isActive } from '../core/delegation.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Child } from './child.js'
import type { Unit } from './unit.js'
import { shownChildren } from './unit-edges.js'

export interface StateRecorder {
  /** A unit has begun. */
  watch(): void
  stop(): void
}

interface StateRecorderOptions {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly liveUnits: () => readonly Unit[]
  readonly onFault: (error: unknown) => void
}

/** What others read is no older than this, ms. */
const intervalMs = 250

export function createStateRecorder({
  ledger,
  clock,
  liveUnits,
  onFault,
}: StateRecorderOptions): StateRecorder {
  const recorded = new WeakMap<Child, string>()
  let stopTimer: (() => void) | null = null

  function isNews(child: Child): boolean {
    const { word, outcome, seconds } = child
    if (outcome !== null || seconds * 1000 < intervalMs) return false
    return word !== (recorded.get(child) ?? 'waiting')
  }

  function look(): void {
    stopTimer = null
    const units = liveUnits()
    for (const unit of units) {
      if (!isActive(unit.state)) continue
      for (const child of unit.children) if (isNews(child)) record(unit, child)
    }
    if (units.length > 0) watch()
  }

  function record(unit: Unit, child: Child): void {
    recorded.set(child, child.word)
    for (const { task_index: index, state } of shownChildren(unit, child)) {
      ledger.record(unit.hold, { child: { index, state } }).catch(onFault)
    }
  }

  function watch(): void {
    stopTimer ??= clock.after(intervalMs, look)
  }

  return {
    watch,
    stop() {
      stopTimer?.()
      stopTimer = null
    },
  }
}
