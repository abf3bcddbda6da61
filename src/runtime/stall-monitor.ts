/**
 * Finds children that make no progress any more, and stops them. One timer for all units, and none while nothing is
 * monitored.
 */
import type { Clock } from '../core/clock.js'
import { stallStop, stalledFor, type Stall, type StallThresholds } from '../core/stall.js'
import type { Child } from './child.js'
import type { Unit } from './unit.js'

export interface StallMonitor {
  /** A unit has begun. */
  watch(): void
  /** It has shown no progress for so long that it counts as stuck. */
  isStale(child: Child): boolean
  stop(): void
}

export interface StallOptions extends StallThresholds {
  /** Between two looks, seconds. */
  readonly sweepSeconds: number
}

interface StallMonitorOptions {
  readonly clock: Clock
  /** Null: nothing is monitored. */
  readonly options: StallOptions | null
  readonly liveUnits: () => readonly Unit[]
  /** Since a child last waited for units below it, ms. */
  readonly quietBelowMs: (child: Child) => number
  readonly onFault: (error: unknown) => void
}

/** How long a thread's event loop has to answer before it counts as blocked, ms. */
const answerMs = 1_000

export function createStallMonitor({
  clock,
  options,
  liveUnits,
  quietBelowMs,
  onFault,
}: StallMonitorOptions): StallMonitor {
  const suspected = new WeakSet<Child>()
  let stopTimer: (() => void) | null = null

  function sweep(thresholds: StallOptions): void {
    stopTimer = null
    for (const unit of liveUnits()) {
      for (const child of unit.children) look(unit, child, thresholds).catch(onFault)
    }
    if (liveUnits().length > 0) watch()
  }

  async function look(unit: Unit, child: Child, thresholds: StallOptions): Promise<void> {
    if (suspected.has(child) || stallOf(child, thresholds) === null) return
    suspected.add(child)
    const isAlive = await child.heartbeat(answerMs)
    suspected.delete(child)
    // It may have gone on, or ended, while it was asked.
    const stall = stallOf(child, thresholds)
    if (stall === null) return
    const { graceSeconds } = thresholds
    unit.stall(child, stallStop(child.goal, stall, graceSeconds, !isAlive), graceSeconds * 1000)
  }

  /** Who waits for units below it is not quiet: they are looked at themselves. */
  function stallOf(child: Child, thresholds: StallThresholds): Stall | null {
    const quietMs = Math.min(child.quietMs, quietBelowMs(child))
    return child.isMonitored ? stalledFor(quietMs, child.isInTool, thresholds) : null
  }

  function watch(): void {
    if (options !== null) stopTimer ??= clock.after(options.sweepSeconds * 1000, () => sweep(options))
  }

  return {
    watch,
    isStale: (child) => options !== null && stallOf(child, options) !== null,
    stop() {
      stopTimer?.()
      stopTimer = null
    },
  }
}
