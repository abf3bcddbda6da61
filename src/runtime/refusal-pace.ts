import type { Clock } from '../core/clock.js'
import type { ProcessHold } from './process-hold.js'

/** Attempts that follow one another faster than this are a storm, ms. */
const calmMs = 1
/** For so long a storm is answered at once, ms. */
const stormMs = 1.25
const restMs = 1

/**
 * A refusal is told at once (P1). A caller that answers it with its next attempt, again and again, would hold the loop from
 * all else that its host does, and the CPU from those whose ends it waits for: in a storm, one refusal in each such time is
 * told a timer later. Null: at once.
 */
export function createRefusalPace(clock: Clock, hold: ProcessHold): () => Promise<void> | null {
  let sinceMs = -Infinity
  let lastMs = -Infinity
  return () => {
    const now = clock.monotonicMs()
    if (now - lastMs > calmMs) sinceMs = now
    lastMs = now
    if (now - sinceMs < stormMs) return null
    sinceMs = now
    return hold.during(new Promise((resolve) => void clock.after(restMs, resolve)))
  }
}
