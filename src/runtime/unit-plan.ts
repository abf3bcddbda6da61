/** What a unit is made of. */
import type { AsyncDelegationEvent, ChildResult } from '../core/event.js'
import type { Clock } from '../core/clock.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Hold, UnitDraft } from '../ledger/shapes.js'
import type { ChildPlan } from './child.js'
import type { ChildLine } from './child-line.js'
import type { EventHub } from './events.js'
import type { UnitForm } from './unit-event.js'

export interface UnitPlan {
  readonly form: UnitForm
  readonly draft: UnitDraft
  readonly hold: Hold
  /** What is to be run: of a unit that is run again, the children that had not ended. */
  readonly children: readonly ChildPlan[]
  /** Results of children that ended under an earlier owner. */
  readonly recorded: readonly ChildResult[]
  /** When it was first admitted, of a unit that is run again; null for a new one. */
  readonly admittedAt: number | null
  /** Where the children wait for their turn; units of one call share it. */
  readonly line: ChildLine
  readonly tells: UnitTells
}

/** What is told, and done, when one of several children ends before the others. */
export interface UnitTells {
  /** `each`: every child is told by itself, too. `first`: the first success ends the unit. */
  readonly policy: 'all' | 'each' | 'first'
  readonly earlyFailure: boolean
  /** Of the others, when the first success ends the unit, ms. */
  readonly graceMs: number
}

export interface UnitDependencies {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly hub: EventHub
  /** Puts a notice on the rail of completions. */
  readonly publish: (event: AsyncDelegationEvent) => Promise<unknown>
  /** Called once, when no child is live and the end is recorded: the unit can be forgotten. */
  readonly onGone: () => void
  /** Who takes the event as its claim, if anybody waits to collect it. */
  readonly collector: () => { readonly consumer: string; readonly leaseSeconds: number } | null
}
