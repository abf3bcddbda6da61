/**
 * While a child works, whoever waits for it is not idle: its parent's activity clock is touched now and then, so that a
 * watchdog of the host's own stays quiet (spec 4.7). A child that has fallen silent itself touches nothing.
 */
import type { Clock } from '../core/clock.js'
import type { Child } from './child.js'
import type { Unit } from './unit.js'

/** What a running child tells the clock of its parent. */
export interface ActivityTouch {
  /** Of the conversation that it works for. */
  readonly session_key: string
  readonly delegation_id: string
  readonly task_index: number
  /** What it does, for a line of a log. */
  readonly description: string
}

export interface ActivityClock {
  /** A unit has begun. */
  watch(): void
  stop(): void
}

interface ActivityClockOptions {
  readonly clock: Clock
  /** Null: nobody wants to know. */
  readonly onActivity: ((touch: ActivityTouch) => void) | null
  readonly liveUnits: () => readonly Unit[]
  readonly isStale: (child: Child) => boolean
  readonly onFault: (error: unknown) => void
}

/** Spec 4.7. */
const touchMs = 30_000
const goalCharacters = 80

export function createActivityClock({
  clock,
  onActivity,
  liveUnits,
  isStale,
  onFault,
}: ActivityClockOptions): ActivityClock {
  let stopTimer: (() => void) | null = null

  function touchAll(touch: (touch: ActivityTouch) => void): void {
    stopTimer = null
    for (const unit of liveUnits()) {
      for (const child of unit.children) if (child.goesOn && !isStale(child)) touchFor(unit, child, touch)
    }
    if (liveUnits().length > 0) watch()
  }

  function touchFor(unit: Unit, child: Child, touch: (touch: ActivityTouch) => void): void {
    try {
      touch({
        session_key: unit.draft.route.sessionKey,
        delegation_id: unit.id,
        task_index: child.index,
        description: describe(child),
      })
    } catch (error) {
      onFault(error)
    }
  }

  function watch(): void {
    if (onActivity !== null) stopTimer ??= clock.after(touchMs, () => touchAll(onActivity))
  }

  return {
    watch,
    stop() {
      stopTimer?.()
      stopTimer = null
    },
  }
}

function describe({ goal, activity }: Child): string {
  const tool = activity?.progress?.['current_tool']
  const doing = typeof tool === 'string' && tool !== '' ? ` (${tool})` : ''
  return `subagent: ${goal.replace(/\s+/g, ' ').trim().slice(0, goalCharacters)}${doing}`
}
