import type { StopResult } from './child.js'

/** Live children at the time of a stop, and how each was brought to its end. `signalled` is the sum of the other three. */
export interface StopReport {
  readonly signalled: number
  readonly stopped: number
  readonly escalated: number
  readonly unreachable: number
}

/** Counts how each live child was brought to its end. */
export function stopReport(results: readonly StopResult[]): StopReport {
  const count = (wanted: StopResult): number => results.filter((result) => result === wanted).length
  return {
    signalled: results.length,
    stopped: count('stopped'),
    escalated: count('escalated'),
    unreachable: count('unreachable'),
  }
}
