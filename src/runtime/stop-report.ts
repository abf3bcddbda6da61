import type { StopResult } from './child-stop.js'

/** Live children at the time of a stop, and how each was brought to its end. `signalled` is the sum of the other three. */
export interface StopReport {
  readonly signalled: number
  readonly stopped: number
  readonly escalated: number
  readonly unreachable: number
}

/** Live children at the time, and how each came to its end; `units` is how many units they belonged to. */
export interface InterruptReport extends StopReport {
  readonly units: number
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

/** One report of many; one that says nothing of units counts none. */
export function sumOf(reports: readonly (StopReport & { readonly units?: number })[]): InterruptReport {
  const sum = (field: keyof InterruptReport): number =>
    reports.reduce((total, report) => total + (report[field] ?? 0), 0)
  return {
    signalled: sum('signalled'),
    stopped: sum('stopped'),
    escalated: sum('escalated'),
    unreachable: sum('unreachable'),
    units: sum('units'),
  }
}
