import type { Clock } from '../core/clock.js'
import type { ProcessHold } from './process-hold.js'

/** Attempts that follow one another faster than this are a storm, ms. */
const calmMs = 1
/**
 * For so long a storm is answered at once, ms: short beside the 4 ms after which Linux takes the CPU away, long enough that
 * not one refusal in a hundred rests (row 12 of docs/benchmarks.md).
 */
const stormMs = 1.25
const restMs = 1

/**
 * A refusal is told at once (P1). Callers that answer it with their next attempt, again and again, would hold the loop from
 * all else that their host does, and the CPU from those whose ends they wait for: a storm rests now and then, until the
 * loop has had a whole turn. Null: at once.
 */
export function createRefusalPace(clock: Clock, hold: ProcessHold): () => Promise<void> | null {
  let sinceMs = -Infinity
  let lastMs = -Infinity
  /** All who are refused meanwhile share it. */
  let rest: Promise<void> | null = null

  async function restNow(): Promise<void> {
    await new Promise<void>((resolve) => void clock.after(restMs, resolve))
    // A timer alone may be due again before its phase has ended: what waits for I/O would never be heard.
    await new Promise((resolve) => setImmediate(resolve))
    rest = null
  }

  return () => {
    if (rest !== null) return rest
    const now = clock.monotonicMs()
    if (now - lastMs > calmMs) sinceMs = now
    lastMs = now
    if (now - sinceMs >= stormMs) rest = hold.during(restNow())
    return rest
  }
}
