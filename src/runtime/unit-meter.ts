/**
 * What a unit has used so far. What a nested unit uses counts for those above it, too, whose budgets it is part of.
 */
import { crossesWarning, told, type Budget, type BudgetCounter, type BudgetUse } from '../core/budget.js'
import { microsOf, tokensOf, usdOf, type Usage } from '../core/usage.js'

/** Told on the way to the end of a budget, and past it, once each. */
export interface MeterWatcher {
  onNear(use: BudgetUse): void
  onExceeded(use: BudgetUse): void
}

type Field = keyof Usage
const fields = ['input_tokens', 'output_tokens', 'cost_usd'] as const
const counters = ['tokens', 'cost_usd'] as const

export class UnitMeter {
  readonly #budget: Budget
  readonly #parent: UnitMeter | null
  readonly #watcher: MeterWatcher
  readonly #reports = new Map<number, Usage>()
  /** Money in whole millionths. */
  readonly #own: Partial<Record<Field, number>> = {}
  readonly #all: Partial<Record<Field, number>> = {}
  readonly #nested = new Set<UnitMeter>()

  constructor(budget: Budget, parent: UnitMeter | null, watcher: MeterWatcher) {
    this.#budget = budget
    this.#parent = parent
    this.#watcher = watcher
    if (parent !== null) parent.#nested.add(this)
  }

  /** Of the unit and of all below it; null when nobody reported any. */
  get usage(): Usage | null {
    const { cost_usd: micros, ...tokens } = this.#all
    if (fields.every((name) => this.#all[name] === undefined)) return null
    return micros === undefined ? tokens : { ...tokens, cost_usd: usdOf(micros) }
  }

  /** Of the unit's own children. */
  spent(counter: Exclude<BudgetCounter, 'spawns'>): number {
    return sumOf(this.#own, counter)
  }

  /** What a child has used so far, in all; less than it said before is believed, too. */
  report(child: number, usage: Usage): void {
    const before = this.#reports.get(child)
    this.#reports.set(child, usage)
    const change: Partial<Record<Field, number>> = {}
    for (const name of fields) {
      if (usage[name] === undefined) continue
      change[name] =
        name === 'cost_usd' ? microsOf(usage) - microsOf(before ?? null) : usage[name] - (before?.[name] ?? 0)
    }
    add(this.#own, change)
    this.#add(change)
  }

  /** What a nested unit with a budget of its own may still reserve; null for no bound. */
  free(counter: Exclude<BudgetCounter, 'spawns'>): { readonly limit: number; readonly left: number } | null {
    const above = this.#parent?.free(counter) ?? null
    const limit = limitOf(this.#budget, counter)
    if (limit === null) return above
    const rest = limit - sumOf(this.#all, counter)
    const left = rest - this.#promised(counter)
    if (above === null) return { limit, left }
    // What is promised to this unit is not free above it, and is its own.
    const leftAbove = above.left + Math.max(0, rest)
    return left <= leftAbove ? { limit, left } : { limit: above.limit, left: leftAbove }
  }

  /** The unit has ended: what it did not use is there for others. */
  leave(): void {
    if (this.#parent !== null) this.#parent.#nested.delete(this)
  }

  /** What nested units have reserved, and not used yet. */
  #promised(counter: Exclude<BudgetCounter, 'spawns'>): number {
    let sum = 0
    for (const meter of this.#nested) {
      const limit = limitOf(meter.#budget, counter)
      sum += limit === null ? meter.#promised(counter) : Math.max(0, limit - sumOf(meter.#all, counter))
    }
    return sum
  }

  #add(change: Readonly<Partial<Record<Field, number>>>): void {
    const before = counters.map((counter) => sumOf(this.#all, counter))
    add(this.#all, change)
    if (this.#parent !== null) this.#parent.#add(change)
    for (const [index, counter] of counters.entries()) this.#judge(counter, before[index] ?? 0)
  }

  #judge(counter: Exclude<BudgetCounter, 'spawns'>, before: number): void {
    const limit = limitOf(this.#budget, counter)
    const after = sumOf(this.#all, counter)
    if (limit === null || after <= before) return
    const use = { counter, limit: told(counter, limit), used: told(counter, after) }
    if (crossesWarning(limit, before, after)) this.#watcher.onNear(use)
    if (before <= limit && after > limit) this.#watcher.onExceeded(use)
  }
}

function add(sums: Partial<Record<Field, number>>, change: Readonly<Partial<Record<Field, number>>>): void {
  for (const name of fields) {
    const value = change[name]
    if (value !== undefined) sums[name] = (sums[name] ?? 0) + value
  }
}

function sumOf(sums: Readonly<Partial<Record<Field, number>>>, counter: 'tokens' | 'cost_usd'): number {
  return counter === 'tokens' ? tokensOf(sums) : (sums.cost_usd ?? 0)
}

function limitOf({ tokens, costMicros }: Budget, counter: 'tokens' | 'cost_usd'): number | null {
  return counter === 'tokens' ? tokens : costMicros
}
