/** What a unit is made of. */
import type { AsyncDelegationEvent, ChildResult } from '../core/event.js'
import type { Clock } from '../core/clock.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Budget, BudgetUse } from '../core/budget.js'
import type { Hold, Spent, UnitDraft } from '../ledger/shapes.js'
import type { ChildRequest } from '../pool/executor.js'
import type { Asking } from './asking.js'
import type { Child, ChildPlan } from './child.js'
import type { ChildLine } from './child-line.js'
import type { EventHub } from './events.js'
import type { NestedUnits } from './nested-units.js'
import type { Unit } from './unit.js'
import type { UnitMeter } from './unit-meter.js'
import type { UnitForm } from './unit-event.js'

/** The child that started a nested unit with `ctx.delegate`, and its unit. */
export interface ParentLink {
  readonly unit: Unit
  readonly child: Child
}

/** A child that asks for a unit below it. */
export interface NestedLink extends ParentLink {
  /** The unit runs. Before the call is answered: it may be gone by then. */
  readonly onStarted: (unit: Unit) => void
}

export interface UnitPlan {
  readonly form: UnitForm
  /** Null for a unit that the host itself dispatched. */
  readonly parent: ParentLink | null
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
  /** What it may use. @defaultValue no bound */
  readonly budget?: Budget
  /** Of the unit below which it runs, or of the call whose other units share its budget: that is drawn on, too. */
  readonly parentMeter?: UnitMeter | null
  /** From its first admission, seconds. @defaultValue 0: none */
  readonly deadlineSeconds?: number
}

/** What is told, and done, when one of several children ends before the others. */
export interface UnitTells {
  /** `each`: every child is told by itself, too. `first`: the first success ends the unit. */
  readonly policy: 'all' | 'each' | 'first'
  readonly earlyFailure: boolean
  /** Of the others, when the first success ends the unit, ms. */
  readonly graceMs: number
  /** How a host hears of a question: as a turn of its own, or by the hub's event alone. */
  readonly askAs: 'turn' | 'event'
}

export interface UnitDependencies {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly hub: EventHub
  /** What a child asks its host for. */
  readonly onRequest: (from: ParentLink, request: ChildRequest) => void
  readonly nested: Pick<NestedUnits, 'onStopping' | 'onEnded'>
  /** How long what is below a child that has ended may go on, ms. */
  readonly graceMs: number
  /** Most of the unit's budget is used. */
  readonly onBudgetNear?: (use: BudgetUse, draft: UnitDraft) => void
  /** The end of the unit moved these counters of budgets. */
  readonly onSpent?: (spent: readonly Spent[], draft: UnitDraft) => void
  /** Puts a notice on the rail of completions. */
  readonly publish: (event: AsyncDelegationEvent) => Promise<unknown>
  /** What its children wait for an answer to. */
  readonly asking: Pick<Asking, 'drop'>
  /** Called once, when no child is live and the end is recorded: the unit can be forgotten. */
  readonly onGone: () => void
  /** Who takes the event as its claim, if anybody waits to collect it. */
  readonly collector: () => { readonly consumer: string; readonly leaseSeconds: number } | null
}
