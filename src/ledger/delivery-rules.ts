/**
 * How a delivery moves, for every ledger alike:
 *
 *   pending ──claim──> claimed ──ack──> delivered
 *      ^                  ├─release, defer, lease ended──> pending, or dead once the attempts are used up
 *      │                  └─drop──> dropped
 *      │└─drop──> dropped
 *      └──reopen── dead, dropped            (and dead, when older than the replay limit)
 */
import { backoffSeconds, type BackoffOptions } from '../core/backoff.js'
import type { Instant } from '../core/clock.js'
import { assertNever } from '../core/errors.js'
import type { DeliveryState, Verdict } from './shapes.js'

export interface DeliveryRules {
  /** Attempts before a completion is `dead` (spec 2.1: 8). */
  readonly maxAttempts: number
  /** A completion older than this is `dead` rather than replayed, seconds (spec 2.1: 48 h). */
  readonly maxAgeSeconds: number
  readonly backoff: BackoffOptions
}

export const defaultDeliveryRules = { maxAttempts: 8, maxAgeSeconds: 48 * 3600 } as const

/** The part of a delivery that moves. */
export interface DeliveryStanding {
  readonly state: DeliveryState
  readonly attempts: number
  readonly availableAt: Instant
  readonly reason: string | null
  /** When the lease ends; `null` unless claimed. */
  readonly leasedUntil: Instant | null
  /** When its lease, or its wait for `availableAt`, began; null where nothing runs. */
  readonly since: Instant | null
}

/** Before any time there is: what is available at once stays so when the wall clock is set back. */
export const atOnce: Instant = 0

/** Birth of what is there to be collected: it is replayed to nobody, so that it has no replay limit. */
export const neverTooOld: Instant = Infinity

/** Pure: what a verdict makes of a claimed delivery. */
export function afterVerdict(
  standing: DeliveryStanding,
  verdict: Verdict,
  now: Instant,
  rules: DeliveryRules,
  random: () => number,
): DeliveryStanding {
  switch (verdict.kind) {
    case 'ack':
      return { ...standing, state: 'delivered', reason: null, leasedUntil: null, since: null }
    case 'renew':
      return { ...standing, leasedUntil: now + verdict.leaseSeconds, since: now }
    case 'release':
      return afterFailure(standing, verdict.error, now, rules, random)
    case 'defer': {
      const wait =
        verdict.forSeconds === 0
          ? { availableAt: atOnce, since: null }
          : { availableAt: now + verdict.forSeconds, since: now }
      return { ...standing, ...wait, state: 'pending', leasedUntil: null }
    }
    case 'drop':
      return { ...standing, state: 'dropped', reason: verdict.reason, leasedUntil: null, since: null }
    default:
      return assertNever(verdict)
  }
}

/** Pure: one attempt is spent; the last one makes it `dead`, for an operator to see. */
function afterFailure(
  standing: DeliveryStanding,
  error: string,
  now: Instant,
  rules: DeliveryRules,
  random: () => number,
): DeliveryStanding {
  const attempts = standing.attempts + 1
  if (attempts >= rules.maxAttempts)
    return { ...standing, state: 'dead', attempts, reason: error, leasedUntil: null, since: null }
  const availableAt = now + backoffSeconds(attempts, rules.backoff, random)
  return { state: 'pending', attempts, availableAt, reason: error, leasedUntil: null, since: now }
}

/**
 * Pure: what time alone has made of a delivery: a lease that ended costs its hung consumer an attempt, and what is
 * older than the replay limit is `dead`. What began later than now was begun by a clock that has been set back since: a
 * wait is over then, and a lease begins anew, for its consumer may be alive. Returns `standing` itself when nothing changed.
 */
export function afterTime(
  standing: DeliveryStanding,
  bornAt: Instant,
  now: Instant,
  rules: DeliveryRules,
  random: () => number,
): DeliveryStanding {
  let current = afterSetBack(standing, now)
  if (current.state === 'claimed' && current.leasedUntil !== null && current.leasedUntil <= now) {
    // There is no back-off: the lease was the wait.
    current = { ...afterFailure(current, 'the lease ended', now, rules, random) }
    if (current.state === 'pending') current = { ...current, availableAt: atOnce, since: null }
  }
  if (current.state === 'pending' && now - bornAt > rules.maxAgeSeconds) {
    current = { ...current, state: 'dead', reason: 'expired', since: null }
  }
  return current
}

function afterSetBack(standing: DeliveryStanding, now: Instant): DeliveryStanding {
  const { since, leasedUntil } = standing
  if (since === null || since <= now) return standing
  return leasedUntil === null
    ? { ...standing, since: null, availableAt: atOnce }
    : { ...standing, since: now, leasedUntil: now + leasedUntil - since }
}
