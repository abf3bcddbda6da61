/** What may be used, and what is done when it was. Pure. */
import type { StopRequest } from './completion.js'
import type { JsonObject } from './json.js'
import { usdOf } from './usage.js'

/** Null: no bound. Money in whole millionths of a dollar. */
export interface Budget {
  readonly tokens: number | null
  readonly costMicros: number | null
}

export const noBudget: Budget = { tokens: null, costMicros: null }

/** What is counted, as people are told of it: money in dollars. `spawns` are children. */
export type BudgetCounter = 'tokens' | 'cost_usd' | 'spawns'

/** How far a budget is used. */
export interface BudgetUse {
  readonly counter: BudgetCounter
  readonly limit: number
  readonly used: number
}

/** From here on it is said that a budget comes to its end. */
const warningShare = 0.8

/** True for the one step that crosses the line. */
export function crossesWarning(limit: number, before: number, after: number): boolean {
  const line = limit * warningShare
  return limit > 0 && before < line && after >= line
}

/** `50,000 tokens`, `1.5 USD`, `3 children`. */
export function amountText(counter: BudgetCounter, amount: number): string {
  const number = amount.toLocaleString('en-US', { maximumFractionDigits: 6 })
  return `${number} ${{ tokens: 'tokens', cost_usd: 'USD', spawns: 'children' }[counter]}`
}

/** As it is told: millionths become dollars. */
export function told(counter: BudgetCounter, amount: number): number {
  return counter === 'cost_usd' ? usdOf(amount) : amount
}

/** The stop of a unit that has used more than it had reserved. */
export function budgetStop({ counter, limit, used }: BudgetUse): StopRequest {
  const fields: JsonObject = { exit_reason: 'budget', budget_exceeded: { counter, limit, used } }
  return {
    cause: 'budget',
    reason: `the budget is used up: ${amountText(counter, used)} of ${amountText(counter, limit)}`,
    fields,
  }
}
