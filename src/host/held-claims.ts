/** Claims of a host: kept while their turn is under way, and given their verdict although the ledger is in trouble. */
import { DelegationError } from '../core/errors.js'
import type { Completion } from '../runtime/completions.js'

/** A claim is renewed this often, long before its lease could end, ms. */
export const renewAfterMs = 60_000
/** As long as claims hold without being renewed, ms. */
const leaseMs = 300_000
const firstRetryMs = 50
const slowestRetryMs = 1_000

/** Renews claims from time to time. */
export interface Renewing {
  /** None of them is held any more, or nobody could say so for as long as a lease is. */
  readonly isLost: boolean
  stop(): void
}

export function keepRenewed(completions: readonly Completion[]): Renewing {
  const held = new Set(completions)
  let heldUntilMs = performance.now() + leaseMs
  const renew = async (completion: Completion): Promise<void> => {
    try {
      const isHeld = await completion.renew()
      if (isHeld) heldUntilMs = performance.now() + leaseMs
      else held.delete(completion)
      if (held.size === 0) clearInterval(timer)
    } catch {
      // A ledger in trouble says nothing about a claim: it is asked again.
    }
  }
  const timer = setInterval(() => {
    for (const completion of held) void renew(completion)
  }, renewAfterMs)
  timer.unref()
  return {
    get isLost() {
      return held.size === 0 || performance.now() > heldUntilMs
    },
    stop: () => clearInterval(timer),
  }
}

/**
 * Tries a verdict until the ledger takes it or the claims are lost: one that is given up costs an attempt, and may
 * start its turn twice.
 * @throws {DelegationError} CLOSED
 */
export async function judge(
  completions: readonly Completion[],
  verdict: () => Promise<unknown>,
): Promise<void> {
  if (completions.length === 0) return
  const renewing = keepRenewed(completions)
  try {
    for (let pauseMs = firstRetryMs; !renewing.isLost; pauseMs = Math.min(2 * pauseMs, slowestRetryMs)) {
      try {
        await verdict()
        return
      } catch (error) {
        if (isClosed(error)) throw error
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
    }
  } finally {
    renewing.stop()
  }
}

export const isClosed = (error: unknown): boolean =>
  error instanceof DelegationError && error.code === 'CLOSED'
