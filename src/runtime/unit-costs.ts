/** What a unit may use, in tokens, money and time, and what it has used: of this its event and its record speak. */
import { noBudget, budgetStop, type BudgetUse } from '../core/budget.js'
import { isBatchEvent, wholeBatch, type ChildOutcome, type StopRequest } from '../core/completion.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { JsonObject } from '../core/json.js'
import { microsOf, sumOfUsages, usageOf, type Usage } from '../core/usage.js'
import type { ChildUsage, Settlement, Spent } from '../ledger/shapes.js'
import type { Runner, RunnerReference } from '../runner.js'
import type { Child } from './child.js'
import { actualOf } from './budget-charges.js'
import { UnitMeter } from './unit-meter.js'
import type { UnitDependencies, UnitPlan } from './unit-plan.js'

/** The unit that has them. */
interface CostlyUnit {
  readonly children: readonly Pick<Child, 'outcome'>[]
  stop(request: StopRequest, graceMs: number): Promise<unknown>
}

/** A class, because there is one for every unit. */
export class UnitCosts {
  readonly #plan: UnitPlan
  readonly #dependencies: UnitDependencies
  readonly #unit: CostlyUnit
  #meter: UnitMeter | null = null
  #stopDeadline: (() => void) | null = null
  #usage: readonly ChildUsage[] = []

  constructor(plan: UnitPlan, dependencies: UnitDependencies, unit: CostlyUnit) {
    this.#plan = plan
    this.#dependencies = dependencies
    this.#unit = unit
    // What a nested unit has reserved, its siblings cannot.
    if (plan.parentMeter != null) this.#meter = this.#createMeter()
  }

  /** Made when it is needed: most children report no usage. */
  get meter(): UnitMeter {
    return (this.#meter ??= this.#createMeter())
  }

  start(): void {
    const { recorded, deadlineSeconds = 0, admittedAt } = this.#plan
    for (const entry of recorded) this.#report(entry.task_index, usageOf(entry['usage']))
    if (deadlineSeconds === 0) return
    const { clock } = this.#dependencies
    // Of a unit that is run again, the clock has run since it was first admitted.
    const gone = admittedAt === null ? 0 : Math.max(0, clock.now() - admittedAt)
    const reason = `the deadline of the unit, ${deadlineSeconds} s after its dispatch, has passed`
    this.#stopDeadline = clock.after(Math.max(0, deadlineSeconds - gone) * 1000, () =>
      this.#stop({ cause: 'timeout', reason }),
    )
  }

  onProgress(child: number, progress: JsonObject | null): void {
    if (progress !== null && progress['usage'] !== undefined) {
      this.#report(child, usageOf(progress['usage']))
    }
  }

  onOutcome(child: number, { fields }: ChildOutcome): void {
    const own = usageOf(fields['usage'])
    const isWhole = this.#plan.form === 'whole' && own === null
    this.#report(child, isWhole ? sumOfUsages(wholeBatch(fields).results.map(usageIn)) : own)
  }

  /** Every child has an outcome: adds what was used to the unit's event. */
  tell(event: AsyncDelegationEvent): AsyncDelegationEvent {
    this.#stopDeadline?.()
    const usage = this.#meter?.usage ?? null
    if (usage === null) return event
    const own = usagesIn(event, (index) => this.#runnerOf(index))
    // One function for all may say what all of them used, and not what each did (R31).
    const isWhole = own.length === 0 && this.#plan.form === 'whole'
    const { model } = event
    this.#usage = isWhole ? [usedBy({ usage: { ...usage }, model }, this.#runnerOf(0))] : own
    // A runner may count more than we do: what it said of its only child stays beside the sums.
    return Object.assign(event, { usage: { ...event.usage, ...usage } })
  }

  /** What the ledger is told with the end. */
  settlement(): Pick<Settlement, 'actual' | 'usage'> {
    this.#meter?.leave()
    const { draft, budget = noBudget, parentMeter = null } = this.#plan
    const isBound = (budget.tokens ?? budget.costMicros ?? parentMeter) !== null
    return {
      ...(isBound && { actual: actualOf(draft.route.sessionKey, this.#meter) }),
      ...(this.#usage.length > 0 && { usage: this.#usage }),
    }
  }

  onSettled(spent: readonly Spent[] | undefined): void {
    if (spent !== undefined) this.#dependencies.onSpent?.(spent, this.#plan.draft)
  }

  #createMeter(): UnitMeter {
    const { budget = noBudget, parentMeter = null, draft } = this.#plan
    return new UnitMeter(budget, parentMeter, {
      onNear: (use) => this.#dependencies.onBudgetNear?.(use, draft),
      onExceeded: (use) => this.#exceed(use),
    })
  }

  #runnerOf(index: number): string | null {
    const { form, children } = this.#plan
    const child = form === 'children' ? children.find((plan) => plan.index === index) : children[0]
    return child === undefined ? null : runnerLabel(child.job.runner)
  }

  #report(child: number, usage: Usage | null): void {
    if (usage !== null) this.meter.report(child, usage)
  }

  #exceed(use: BudgetUse): void {
    if (this.#unit.children.some(({ outcome }) => outcome === null)) this.#stop(budgetStop(use))
  }

  #stop(request: StopRequest): void {
    const { hub } = this.#dependencies
    this.#unit
      .stop(request, this.#plan.tells.graceMs)
      .catch((error: unknown) => hub.emit('fault', error as Error))
  }
}

const usageIn = (entry: JsonObject): Usage | null => usageOf(entry['usage'])

/** Adds what its ended children had used to the event of a unit whose owner died. */
export function tellUsage(
  event: AsyncDelegationEvent,
  runner: RunnerReference | null,
): readonly ChildUsage[] {
  const sum = isBatchEvent(event) ? sumOfUsages(event.results.map(usageIn)) : null
  if (sum !== null) Object.assign(event, { usage: sum })
  return usagesIn(event, () => (runner === null ? null : runnerLabel(runner)))
}

/** What each child of an ended unit used, as far as it reported any. */
function usagesIn(
  event: AsyncDelegationEvent,
  runnerOf: (index: number) => string | null,
): readonly ChildUsage[] {
  const entries: readonly JsonObject[] = isBatchEvent(event) ? event.results : [event]
  return entries
    .filter((entry) => usageIn(entry) !== null)
    .map((entry) =>
      usedBy(entry, runnerOf(typeof entry['task_index'] === 'number' ? entry['task_index'] : 0)),
    )
}

function usedBy(entry: JsonObject, runner: string | null): ChildUsage {
  const { model, api_calls: calls } = entry
  const usage = usageIn(entry)
  return {
    model: typeof model === 'string' ? model : null,
    runner,
    apiCalls: typeof calls === 'number' && calls >= 0 ? calls : 0,
    inputTokens: usage?.input_tokens ?? 0,
    outputTokens: usage?.output_tokens ?? 0,
    costMicros: microsOf(usage),
  }
}

/** What a runner is called where usage is added up. */
function runnerLabel(runner: RunnerReference | Runner): string {
  if (typeof runner === 'function') return runner.name || 'function'
  if (runner.name !== undefined) return runner.name
  if (runner.url.startsWith('data:')) return 'data:'
  const [file = runner.url] = /[^/]+$/.exec(runner.url) ?? []
  const module = runner.url.startsWith('file:') ? file.replace(/\.\w+$/, '') : runner.url
  return runner.export === undefined || runner.export === 'default' ? module : `${module}#${runner.export}`
}
