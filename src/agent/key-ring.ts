/** The keys of one child: it stays with one until that is refused, and then goes on with another. */
import type { RunnerContext } from '../runner.js'
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

/** Told when a key is refused: how long it rests, ms, and which one is used in its place. */
export type OnRefused = (refused: Key, restMs: number, current: Key) => void

interface KeyRingOptions {
  readonly keys: readonly [Key, ...Key[]]
  /** From when on each may be used, Unix ms. @defaultValue at once */
  readonly readyAt?: readonly number[]
  /** More than this is not waited for, ms. */
  readonly maxWaitMs: number
  readonly onRefused?: OnRefused
}

export function createKeyRing({ keys, readyAt: from = [], maxWaitMs, onRefused }: KeyRingOptions): KeyRing {
  const ring = keys.map((key, index) => ({ key, readyAt: from[index] ?? 0 }))
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
      if (refused !== undefined) onRefused?.(refused.key, refused.readyAt - now, ring[at]?.key ?? keys[0])
      return Number.isFinite(readyAt) ? readyAt - now : null
    },
  }
}

/** The host's bound for a rest. */
const longestRestSeconds = 3_600

/**
 * The keys of all children of a host are leased: it offers those first that rest least, and that fewest others use.
 * @throws {AgentError} AGENT_KEY_MISSING when no variable is set.
 */
export async function leaseKeys(
  { apiKeyEnv, apiKeyEnvs, retry }: AgentSettings,
  ctx: Pick<RunnerContext, 'lease' | 'log'>,
): Promise<KeyRing> {
  const variables = apiKeyEnv === undefined ? apiKeyEnvs : [apiKeyEnv]
  const maxWaitMs = retry.maxRetryAfterSeconds * 1_000
  if (variables.length === 0) return createKeyRing({ keys: [{ variable: null, value: null }], maxWaitMs })
  const values = new Map(variables.map((variable) => [variable, process.env[variable]?.trim() ?? '']))
  const names = [...values.keys()].filter((variable) => values.get(variable) !== '')
  if (names.length === 0) throw keyMissing(variables)
  const missing = variables.filter((variable) => !names.includes(variable))
  if (missing.length > 0) ctx.log(`not set, and left out: ${missing.join(', ')}`)
  const now = Date.now()
  // One alone is everybody's, whatever is said of it.
  const single = names.map((name) => ({ name, ready_in_seconds: 0 }))
  const offers = names.length === 1 ? single : await ctx.lease(names)
  const keys = offers.map(({ name }) => ({ variable: name, value: values.get(name) ?? null }))
  const [first, ...others] = keys
  if (first === undefined) throw keyMissing(variables)
  return createKeyRing({
    keys: [first, ...others],
    readyAt: offers.map((offer) => (offer.ready_in_seconds > 0 ? now + offer.ready_in_seconds * 1000 : 0)),
    maxWaitMs,
    onRefused(refused, restMs, current) {
      if (names.length === 1 || refused.variable === null || current.variable === null) return
      const rest = { [refused.variable]: Math.min(longestRestSeconds, Math.max(0, restMs / 1000)) }
      ctx.lease(names, { use: current.variable, rest }).catch(() => undefined)
    },
  })
}

function keyMissing(variables: readonly string[]): AgentError {
  const names = variables.join(', ')
  const message =
    variables.length === 1
      ? `the variable ${names}, which holds the key, is not set`
      : `none of the variables ${names}, which hold the keys, is set`
  return new AgentError('AGENT_KEY_MISSING', message)
}
