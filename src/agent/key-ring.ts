/** The keys of one child: it stays with one until that is refused, and then goes on with another. */
import type { RunnerTask } from '../runner.js'
import { AgentError } from './agent-error.js'
import type { AgentSettings } from './agent-options.js'
import type { ProviderFailure } from './provider-error.js'

/** `variable` names it where it is spoken of; the value is never shown. Both are null where no key is sent. */
interface Key {
  readonly variable: string | null
  readonly value: string | null
}

export interface KeyRing {
  readonly size: number
  readonly current: Key
  /**
   * What a failed call means for the next one: ms to be waited, or null when there is nothing left to try. A refused key
   * rests, as long as the server says, and the one that is ready first is the current one.
   */
  waitAfter(failure: ProviderFailure, backoffMs: number, now: number): number | null
}

/** What another key may help against. */
const isOfKey = ({ reason }: ProviderFailure): boolean => ['auth', 'quota', 'rate_limit'].includes(reason)

export function createKeyRing(keys: readonly [Key, ...Key[]], start: number, maxWaitMs: number): KeyRing {
  const first = start % keys.length
  const ring = [...keys.slice(first), ...keys.slice(0, first)].map((key) => ({ key, readyAt: 0 }))
  let at = 0

  /** Those that come after the current one come first among equals. */
  function turn(): number {
    const order = ring.map((_, step) => (at + 1 + step) % ring.length)
    const readyAt = (index: number): number => ring[index]?.readyAt ?? Infinity
    at = order.reduce((best, index) => (readyAt(index) < readyAt(best) ? index : best))
    return readyAt(at)
  }

  return {
    size: ring.length,
    get current() {
      return ring[at]?.key ?? keys[0]
    },
    waitAfter(failure, backoffMs, now) {
      const asked = failure.retryAfterMs ?? 0
      const waitMs = asked > maxWaitMs ? Infinity : Math.max(asked, backoffMs)
      if (!isOfKey(failure)) return failure.isWorthRetrying && Number.isFinite(waitMs) ? waitMs : null
      const refused = ring[at]
      if (refused !== undefined) refused.readyAt = failure.reason === 'rate_limit' ? now + waitMs : Infinity
      for (const other of ring) other.readyAt = Math.max(other.readyAt, now)
      const readyAt = turn()
      return Number.isFinite(readyAt) ? readyAt - now : null
    },
  }
}

/**
 * Siblings begin with different keys: no child knows what another one does.
 * @throws {AgentError} AGENT_KEY_MISSING when no variable is set.
 */
export function keyRingOf(
  { apiKeyEnv, apiKeyEnvs, retry }: AgentSettings,
  { delegationId, taskIndex }: RunnerTask,
  log: (text: string) => void,
): KeyRing {
  const variables = apiKeyEnv === undefined ? apiKeyEnvs : [apiKeyEnv]
  const found = variables.map((variable) => ({ variable, value: process.env[variable]?.trim() ?? '' }))
  const [first, ...others] = found.filter(({ value }) => value !== '')
  const maxWaitMs = retry.maxRetryAfterSeconds * 1_000
  if (first === undefined) {
    if (variables.length === 0) return createKeyRing([{ variable: null, value: null }], 0, maxWaitMs)
    const names = variables.join(', ')
    const message =
      variables.length === 1
        ? `the variable ${names}, which holds the key, is not set`
        : `none of the variables ${names}, which hold the keys, is set`
    throw new AgentError('AGENT_KEY_MISSING', message)
  }
  const missing = found.filter(({ value }) => value === '').map(({ variable }) => variable)
  if (missing.length > 0) log(`not set, and left out: ${missing.join(', ')}`)
  const start = Buffer.from(delegationId).reduce((sum, byte) => sum + byte, taskIndex)
  return createKeyRing([first, ...others], start, maxWaitMs)
}
