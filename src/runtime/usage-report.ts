/** What units have used, added up: plain data, snake-case. */
import { DelegationError } from '../core/errors.js'
import { shownValue } from '../core/shown-value.js'
import { usdOf } from '../core/usage.js'
import type { Ledger } from '../ledger/ledger.js'
import type { UsageKey } from '../ledger/shapes.js'
import { checkCall, checkWord } from './checked.js'

export interface UsageOptions {
  /**
   * `tree`: each call with its groups and nested units, by the id of its first unit.
   * @defaultValue 'session'
   */
  readonly by?: UsageKey
  /** Only of units that ended since then, Unix seconds. @defaultValue all that is known: 90 days */
  readonly since?: number
}

/** The dearest first. Counted are children that have ended and reported what they used. */
export interface UsageRow {
  /** The session, the model, the runner or the tree; null where none was named. */
  readonly key: string | null
  readonly children: number
  readonly api_calls: number
  readonly input_tokens: number
  readonly output_tokens: number
  readonly cost_usd: number
}

const keys: readonly UsageKey[] = ['session', 'model', 'runner', 'tree']
/** Nobody reads more. */
const rowsLimit = 100_000

/** @throws {DelegationError} OPTION_INVALID */
export async function usageReport(ledger: Ledger, given: UsageOptions): Promise<readonly UsageRow[]> {
  checkCall(given)
  const { by = 'session', since } = given
  checkWord('by', by, keys)
  if (since !== undefined && !(typeof since === 'number' && Number.isFinite(since))) {
    throw new DelegationError('OPTION_INVALID', { since: shownValue(since), expected: 'Unix seconds' })
  }
  const sums = await ledger.usageSums({ by, since: since ?? null, limit: rowsLimit })
  return sums.map(({ key, children, apiCalls, inputTokens, outputTokens, costMicros }) => ({
    key,
    children,
    api_calls: apiCalls,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    cost_usd: usdOf(costMicros),
  }))
}
