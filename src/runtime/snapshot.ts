/** What a delegator's own units are like now, all at once: the levels beside the edges of `events`. */
import { sumOfFacts, type ChildFacts, type ChildUsage } from '../core/child-facts.js'
import type { Clock } from '../core/clock.js'
import { isLiveWord } from '../core/delegation.js'
import type { EventHub } from './events.js'
import type { Unit } from './unit.js'
import { shownChildren, shownEntry } from './unit-edges.js'

/** One child as it is now. */
export interface ChildSnapshot extends ChildFacts {
  readonly task_index: number
  readonly goal: string
  /** `waiting`, `running`, `queued`, `input_required`, `auth_required`, `stalling`, `interrupting`, then its terminal word. */
  readonly state: string
  /** Since its runner was handed over; of one that has ended, how long it took. 0 before, and of one that ended elsewhere. */
  readonly seconds: number
}

/** What the children of a unit come to, together. */
export interface UnitTotals {
  readonly children: number
  readonly ended: number
  readonly api_calls: number
  readonly usage: ChildUsage
}

/** A unit of which something runs, or whose end is on its way into the ledger. */
export interface UnitSnapshot {
  readonly delegation_id: string
  /** The unit below which it stands. */
  readonly parent_id: string | null
  readonly slot_key: string
  readonly session_key: string
  /** `running`, `stalling`, `interrupting`, `finalizing`; its terminal word while something of it still runs (P6). */
  readonly state: string
  /** Since it was dispatched, or taken over. */
  readonly seconds: number
  readonly totals: UnitTotals
  /** By their index. */
  readonly children: readonly ChildSnapshot[]
}

/**
 * Plain data, snake-case, no part of the delegator. Who begins to listen late takes it, and applies of the events only
 * those with a larger `n`: so none is missed and none counts twice.
 */
export interface DelegatorSnapshot {
  /** Of the last event that it holds. */
  readonly n: number
  /** When it was taken, Unix seconds. */
  readonly at: number
  /** Slots that this delegator's own units hold, of how many there may be; `capacity()` knows of other processes, too. */
  readonly capacity: { readonly limit: number; readonly in_use: number }
  readonly units: readonly UnitSnapshot[]
}

interface SnapshotOptions {
  readonly units: Iterable<Unit>
  readonly hub: Pick<EventHub, 'n'>
  readonly clock: Clock
  readonly limit: number
}

/** In one step: nothing changes while it is taken. */
export function takeSnapshot({ units, hub, clock, limit }: SnapshotOptions): DelegatorSnapshot {
  const own = [...units]
  const inUse = new Set(own.map(({ draft }) => draft.slotKey)).size
  return { n: hub.n, at: clock.now(), capacity: { limit, in_use: inUse }, units: own.map(unitSnapshot) }
}

function unitSnapshot(unit: Unit): UnitSnapshot {
  const { id, draft, state, children, plan, runningSeconds } = unit
  const shown = [
    ...plan.recorded.map((entry) => ({ ...shownEntry(unit, entry), seconds: 0 })),
    ...children.flatMap((child) =>
      shownChildren(unit, child).map((each) => ({ ...each, seconds: child.seconds })),
    ),
  ].sort((a, b) => a.task_index - b.task_index)
  return {
    delegation_id: id,
    parent_id: draft.parentId,
    slot_key: draft.slotKey,
    session_key: draft.route.sessionKey,
    state: state.phase === 'ended' ? state.status : state.phase,
    seconds: runningSeconds,
    totals: {
      children: shown.length,
      ended: shown.filter((child) => !isLiveWord(child.state)).length,
      ...sumOfFacts(shown),
    },
    children: shown,
  }
}
