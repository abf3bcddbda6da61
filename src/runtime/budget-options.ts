/** What a delegator, and a call, say of tokens, money and time; and what is wrong with it. */
import type { Budget } from '../core/budget.js'
import { DelegationError } from '../core/errors.js'
import { kindOf, shownValue } from '../core/shown-value.js'
import { microsOfUsd } from '../core/usage.js'

/** What a unit may use, its nested units included. */
export interface UnitBudget {
  /** Input and output together; a whole number from 1 up. @defaultValue `tokensPerUnit` */
  readonly tokens?: number
  /** Dollars, from 0.000001 up. @defaultValue `costUsdPerUnit` */
  readonly costUsd?: number
}

/** Bounds of what is used. All of them count what runners report. */
export interface BudgetOptions {
  /**
   * What a call without a budget of its own reserves, tokens; from 1.
   * @defaultValue the smaller one of the two bounds below, divided by `maxUnits`; no bound where there is neither
   */
  readonly tokensPerUnit?: number
  /** The same in dollars; from 0.000001. */
  readonly costUsdPerUnit?: number
  /** What all units of a session may ever use, tokens, from 0: 0 refuses everything. @defaultValue no bound */
  readonly tokensPerSession?: number
  /** The same in dollars. @defaultValue no bound */
  readonly costUsdPerSession?: number
  /** What all units of the ledger may ever use, tokens, from 0: 0 refuses everything. @defaultValue no bound */
  readonly tokensTotal?: number
  /** The same in dollars. @defaultValue no bound */
  readonly costUsdTotal?: number
}

export interface ResolvedBudgets {
  /** Of a call that gives none. */
  readonly unit: Budget
  readonly session: Budget
  readonly total: Budget
  readonly spawnsPerSession: number | null
}

/** Sums of so much are exact. */
const mostTokens = 1e12
const mostUsd = 1e9
const leastUsd = 0.000001
/** No timer of Node's is longer, s. */
const mostSeconds = 2_147_483

const names = ['Session', 'Total'] as const

/** @throws {TypeError} naming the option, its bounds and the value given. */
export function resolveBudgets(
  given: BudgetOptions,
  spawnsPerSession: number | null,
  maxUnits: number,
): ResolvedBudgets {
  const known = ['tokensPerUnit', 'costUsdPerUnit', ...namesOf('tokens'), ...namesOf('costUsd')]
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new TypeError(`Unknown option \`budgets.${unknown}\`: known are ${known.join(', ')}`)
  const bound = (name: keyof BudgetOptions, problem: (value: unknown) => string | null): number | null => {
    const value = given[name]
    const expected = value === undefined ? null : problem(value)
    if (expected === null) return value ?? null
    throw new TypeError(`Expected \`budgets.${name}\` to be ${expected}, got ${shownValue(value)}`)
  }
  const micros = (usd: number | null): number | null => (usd === null ? null : microsOfUsd(usd))
  const session = {
    tokens: bound('tokensPerSession', tokensProblem(0)),
    costMicros: micros(bound('costUsdPerSession', usdProblem(0))),
  }
  const total = {
    tokens: bound('tokensTotal', tokensProblem(0)),
    costMicros: micros(bound('costUsdTotal', usdProblem(0))),
  }
  const share = (name: keyof Budget): number | null => {
    const bounds = [session[name], total[name]].filter((each) => each !== null)
    return bounds.length === 0 ? null : Math.max(1, Math.floor(Math.min(...bounds) / Math.max(1, maxUnits)))
  }
  const unit = {
    tokens: bound('tokensPerUnit', tokensProblem(1)) ?? share('tokens'),
    costMicros: micros(bound('costUsdPerUnit', usdProblem(leastUsd))) ?? share('costMicros'),
  }
  return { unit, session, total, spawnsPerSession }
}

const namesOf = (counter: 'tokens' | 'costUsd'): string[] =>
  names.map((name) => (name === 'Session' ? `${counter}PerSession` : `${counter}Total`))

/** Of a call. @throws {DelegationError} OPTION_INVALID */
export function checkedBudget(given: unknown, fallback: Budget): Budget {
  if (given === undefined) return fallback
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new DelegationError('OPTION_INVALID', {
      budget: kindOf(given),
      expected: '{ tokens, costUsd }',
    })
  }
  const { tokens, costUsd, ...others } = given as UnitBudget
  const [unknown] = Object.keys(others)
  if (unknown !== undefined)
    throw new DelegationError('OPTION_INVALID', { budget: unknown, expected: '{ tokens, costUsd }' })
  checkBound('budget.tokens', tokens, tokensProblem(1))
  checkBound('budget.costUsd', costUsd, usdProblem(leastUsd))
  return {
    tokens: tokens ?? fallback.tokens,
    costMicros: costUsd === undefined ? fallback.costMicros : microsOfUsd(costUsd),
  }
}

/** Of a call. @throws {DelegationError} OPTION_INVALID */
export function checkedDeadline(given: unknown): number {
  checkBound('deadlineSeconds', given, secondsProblem)
  return given as number
}

/** Of a call or a task. @throws {DelegationError} OPTION_INVALID */
export function checkedIterations(given: unknown, where: string): number {
  checkBound(`maxIterations${where}`, given, tokensProblem(1, Number.MAX_SAFE_INTEGER))
  return given as number
}

function checkBound(name: string, value: unknown, problem: (value: unknown) => string | null): void {
  const expected = value === undefined ? null : problem(value)
  if (expected === null) return
  const shown = typeof value === 'number' ? value : shownValue(value)
  throw new DelegationError('OPTION_INVALID', { [name]: shown, expected })
}

/** What is expected, where `value` is not it. */
function tokensProblem(from: number, to = mostTokens) {
  return (value: unknown): string | null => {
    const isGood = typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to
    return isGood ? null : `a whole number from ${from} ${to === mostTokens ? `to ${to}` : 'up'}`
  }
}

function usdProblem(from: number) {
  return (value: unknown): string | null => {
    const isGood = typeof value === 'number' && value >= from && value <= mostUsd
    return isGood ? null : `a number of dollars from ${from === 0 ? '0' : '0.000001'} to ${mostUsd}`
  }
}

/** What is expected of a deadline, where `value` is not it. */
export function secondsProblem(value: unknown): string | null {
  const isGood = typeof value === 'number' && value >= 0 && value <= mostSeconds
  return isGood ? null : `0, or a number of seconds up to ${mostSeconds}`
}
