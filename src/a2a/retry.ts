/**
 * When a request may be made once more. Only if it cannot have arrived, or if it does no harm twice; within the bounds
 * of its own call, and of all calls to that peer together, so that a peer that is down is not run over.
 */
import { pause } from '../runner.js'
import { PeerError, peerErrorOf, QueuedAck } from './peer-error.js'
import type { PeerTime } from './peer-time.js'

export interface RetryBounds {
  readonly maxRetries: number
  readonly initialMs: number
  readonly maxMs: number
  readonly maxSeconds: number
}

/** Consecutive failures that close a peer off, and for how long, ms. */
const breakingFailures = 5
const openMs = 5_000
/** Further tries that a peer has in store; each first try earns a part of one. */
const mostSaved = 20
const earned = 0.2

export interface Breaker {
  /** How long nothing may be sent, ms; 0: a request may go, and if the peer was closed off, this one alone. */
  waitMs(): number
  enter(): void
  leave(isPeerWell: boolean): void
}

/** Of one peer: closed off after failures in a row; then one request tries whether it is back. */
export function createBreaker(time: PeerTime): Breaker {
  let failures = 0
  let closedUntilMs = -Infinity
  let isProbing = false
  const waitMs = (): number => {
    if (failures < breakingFailures) return 0
    if (isProbing) return openMs / 10
    return Math.max(0, closedUntilMs - time.monotonicMs())
  }
  return {
    waitMs,
    enter() {
      const ms = waitMs()
      if (ms > 0) {
        const message = `the peer failed ${failures} times in a row, and is left alone for ${Math.ceil(ms)} ms`
        throw new PeerError('PEER_CIRCUIT_OPEN', message, { mayBeDelivered: false, retryAfterMs: ms })
      }
      isProbing = failures >= breakingFailures
    },
    leave(isPeerWell) {
      isProbing = false
      failures = isPeerWell ? 0 : failures + 1
      if (failures >= breakingFailures) closedUntilMs = time.monotonicMs() + openMs
    },
  }
}

export interface RetryBudget {
  earn(): void
  /** False: all peers' callers together have tried again often enough. */
  spend(): boolean
}

export function createRetryBudget(): RetryBudget {
  let saved = mostSaved
  return {
    earn: () => void (saved = Math.min(mostSaved, saved + earned)),
    spend() {
      if (saved < 1) return false
      saved -= 1
      return true
    },
  }
}

interface Tries {
  readonly time: PeerTime
  readonly breaker: Breaker
  readonly budget: RetryBudget
  readonly bounds: RetryBounds
  /** Ends the waiting, not a request that is under way. */
  readonly signal: AbortSignal
  /** True: twice does no more than once. */
  readonly isRepeatable: boolean
  readonly onRetry: (error: PeerError, waitMs: number) => void
}

/** @throws {PeerError} the last one; {@link QueuedAck} as it comes. */
export async function withRetries<T>(act: () => Promise<T>, tries: Tries): Promise<T> {
  const { time, bounds, signal } = tries
  const giveUpMs = time.monotonicMs() + bounds.maxSeconds * 1000
  tries.budget.earn()
  for (let retry = 0; ; retry += 1) {
    try {
      return await guarded(act, tries.breaker)
    } catch (thrown) {
      const error = peerErrorOf(thrown)
      if (error instanceof QueuedAck || !mayRepeat(error, tries)) throw error
      const waitMs = waitBefore(retry, error, tries)
      if (retry >= bounds.maxRetries || time.monotonicMs() + waitMs > giveUpMs) throw error
      // Who only waited for the breaker has asked nothing of the peer: an outage does not use up what all have in store.
      if (error.code !== 'PEER_CIRCUIT_OPEN' && !tries.budget.spend()) throw error
      tries.onRetry(error, waitMs)
      await pause(waitMs, time, signal)
      if (signal.aborted) throw error
    }
  }
}

/** One request, told to the breaker: an answer of whatever kind says that the peer is well. */
export async function guarded<T>(act: () => Promise<T>, breaker: Breaker): Promise<T> {
  breaker.enter()
  let isWell = true
  try {
    return await act()
  } catch (thrown) {
    const error = peerErrorOf(thrown)
    if (error instanceof PeerError) isWell = !isFailureOfPeer(error)
    throw error
  } finally {
    breaker.leave(isWell)
  }
}

function isFailureOfPeer({ code, status }: PeerError): boolean {
  return (
    code === 'PEER_UNREACHABLE' || code === 'PEER_TIMEOUT' || (code === 'PEER_HTTP' && (status ?? 0) >= 500)
  )
}

function mayRepeat(error: PeerError, { isRepeatable, signal }: Tries): boolean {
  return error.isPassing && (!error.mayBeDelivered || isRepeatable) && !signal.aborted
}

/** Full jitter: anything from nothing to the bound, so that those who failed together do not come back together. */
function waitBefore(retry: number, error: PeerError, { time, bounds }: Tries): number {
  const jitterMs = time.random() * Math.min(bounds.maxMs, bounds.initialMs * 2 ** retry)
  return (error.retryAfterMs ?? 0) + jitterMs
}
