/** How what becomes of a child is said. */
import { outcomeOfError, outcomeOfResult, type ChildOutcome, type StopRequest } from '../core/completion.js'
import type { ChildEnd } from '../pool/executor.js'

/** Of a child that runs. */
export function wordOfStop(stop: StopRequest | null, isCalled: boolean): string {
  if (stop === null) return isCalled ? 'running' : 'waiting'
  return stop.cause === 'stalled' ? 'stalling' : 'interrupting'
}

export function outcomeOfEnd(end: ChildEnd, stop: StopRequest | null): ChildOutcome {
  if (end.kind === 'returned') return outcomeOfResult(end.result, stop)
  return outcomeOfError(end.error, end.kind, stop)
}
