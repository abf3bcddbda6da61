/** What the parts of the runtime know of a unit; what runs it is in running-unit.ts. */
import type { StopRequest, UnitFacts } from '../core/completion.js'
import type { UnitState } from '../core/delegation.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Claim, Hold, UnitDraft } from '../ledger/shapes.js'
import type { Child } from './child.js'
import type { StopReport } from './stop-report.js'
import type { UnitCosts } from './unit-costs.js'
import type { UnitPlan } from './unit-plan.js'

/** The end of a unit, as the ledger has it. `claim` is there for who asked to collect it. */
export interface UnitEnd {
  readonly event: AsyncDelegationEvent
  readonly claim: Claim | null
}

export interface Unit {
  readonly id: string
  readonly draft: UnitDraft
  readonly hold: Hold
  readonly plan: UnitPlan
  readonly state: UnitState
  readonly children: readonly Child[]
  readonly isLive: boolean
  readonly runningSeconds: number
  readonly costs: UnitCosts
  /** Paths by child index; null where no transcripts are kept. */
  readonly liveTranscripts: Readonly<Record<string, string>> | null
  /** Resolves once the ledger has the end; `taken_over` when another owner gives it one. Rejects only if the ledger fails for good. */
  readonly ended: Promise<UnitEnd | 'taken_over'>
  /** Hands the first child over before it returns. @throws if that cannot be done: then nothing of the unit runs (R18). */
  start(): void
  /** Once, after `start`: tells that it is there, and from then on what becomes of it. */
  tellDispatched(takenOver: boolean): void
  /** Stops every live child, and the unit ends no later than the grace does; or `only` one, and the unit goes on. */
  stop(request: StopRequest, graceMs: number, only?: Child | null): Promise<StopReport>
  facts(): UnitFacts
  /** Tells listeners the state of a child. */
  tellChild(child: Child): void
  /** Stops one child that makes no progress; the unit is `stalling` once nothing else of it goes on. */
  stall(child: Child, request: StopRequest, graceMs: number): void
}
