/** From budgets to counters of the ledger, and back to words. */
import { crossesWarning, told, type Budget, type BudgetCounter } from '../core/budget.js'
import type { Charge, Spent } from '../ledger/shapes.js'
import type { ResolvedBudgets } from './budget-options.js'
import type { UnitMeter } from './unit-meter.js'

/** What a counter of the ledger stands for. */
interface BudgetName {
  readonly counter: BudgetCounter
  readonly scope: 'session' | 'total'
  /** The configuration key of its limit. */
  readonly configKey: string
}

const kinds = [
  { counter: 'tokens', scope: 'session', prefix: 'tokens:session:', key: 'tokens_per_session' },
  { counter: 'cost_usd', scope: 'session', prefix: 'cost:session:', key: 'cost_usd_per_session' },
  { counter: 'tokens', scope: 'total', prefix: 'tokens', key: 'tokens_total' },
  { counter: 'cost_usd', scope: 'total', prefix: 'cost', key: 'cost_usd_total' },
] as const
const spawnsPrefix = 'spawns:session:'

const nameIn = (kind: (typeof kinds)[number], sessionKey: string): string =>
  kind.scope === 'session' ? kind.prefix + sessionKey : kind.prefix

const amountOf = (budget: Budget, counter: 'tokens' | 'cost_usd'): number | null =>
  counter === 'tokens' ? budget.tokens : budget.costMicros

/**
 * What a call is charged beside its slot. Nested units reserve nothing: they draw on what the unit above them has
 * reserved; but each child counts for the session's lifetime.
 */
export function budgetCharges(
  call: {
    readonly sessionKey: string
    readonly childCount: number
    readonly budget: Budget
    readonly isNested: boolean
  },
  { session, total, spawnsPerSession }: ResolvedBudgets,
): readonly Charge[] {
  const { sessionKey, childCount, budget, isNested } = call
  const charges: Charge[] = []
  if (spawnsPerSession !== null) {
    const amount = Math.max(1, childCount)
    charges.push({
      counter: spawnsPrefix + sessionKey,
      amount,
      limit: spawnsPerSession,
      atSettle: 'keep',
    })
  }
  if (isNested) return charges
  for (const kind of kinds) {
    const limit = amountOf(kind.scope === 'session' ? session : total, kind.counter)
    const amount = amountOf(budget, kind.counter)
    if (limit === null || amount === null) continue
    charges.push({ counter: nameIn(kind, sessionKey), amount, limit, atSettle: 'actual' })
  }
  return charges
}

/** What a unit's own children have used of each counter that its call may have charged. */
export function actualOf(
  sessionKey: string,
  meter: Pick<UnitMeter, 'spent'> | null,
): readonly Pick<Charge, 'counter' | 'amount'>[] {
  return kinds.map((kind) => ({
    counter: nameIn(kind, sessionKey),
    amount: meter?.spent(kind.counter) ?? 0,
  }))
}

/** Null for a counter of slots. */
export function budgetNamed(counter: string): BudgetName | null {
  if (counter.startsWith(spawnsPrefix)) {
    return { counter: 'spawns', scope: 'session', configKey: 'delegation.max_spawns_per_session' }
  }
  const kind = kinds.find(({ scope, prefix }) =>
    scope === 'session' ? counter.startsWith(prefix) : counter === prefix,
  )
  if (kind === undefined) return null
  return { counter: kind.counter, scope: kind.scope, configKey: `delegation.budgets.${kind.key}` }
}

/** A budget of which most is used. Snake-case: it is shown. */
export interface BudgetWarning {
  /** Whose budget: of one unit with all below it, of a session, or of all that share the ledger. */
  readonly scope: 'unit' | 'session' | 'total'
  readonly counter: BudgetCounter
  readonly limit: number
  readonly used: number
  /** Whose use crossed the line. */
  readonly delegation_id: string
  readonly session_key: string
  /** All of this as one sentence. */
  readonly message: string
}

/** Those of the counters that this step brought over the line. */
export function warningsOf(
  spent: readonly Spent[],
  { session, total, spawnsPerSession }: ResolvedBudgets,
): readonly Pick<BudgetWarning, 'scope' | 'counter' | 'limit' | 'used'>[] {
  return spent.flatMap(({ counter: name, before, after }) => {
    const known = budgetNamed(name)
    if (known === null) return []
    const { counter, scope } = known
    const bounds = scope === 'session' ? session : total
    const limit = counter === 'spawns' ? spawnsPerSession : amountOf(bounds, counter)
    if (limit === null || !crossesWarning(limit, before, after)) return []
    return [{ scope, counter, limit: told(counter, limit), used: told(counter, after) }]
  })
}
