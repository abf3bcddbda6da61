/** How what becomes of a child is said. */
import {
  outcomeOfError,
  outcomeOfResult,
  stoppedOutcome,
  withReportedUsage,
  type ChildOutcome,
  type StopRequest,
} from '../core/completion.js'
import type { ChildActivity, ChildEnd } from '../pool/executor.js'

/** Of a child that runs. */
export function wordOfRunning(stop: StopRequest | null, isCalled: boolean, waitsForAnswer: boolean): string {
  if (stop === null && waitsForAnswer) return 'input_required'
  if (stop === null) return isCalled ? 'running' : 'waiting'
  return stop.cause === 'stalled' ? 'stalling' : 'interrupting'
}

export function outcomeOfEnd(
  end: ChildEnd,
  stop: StopRequest | null,
  activity: ChildActivity | null,
): ChildOutcome {
  const outcome =
    end.kind === 'returned' ? outcomeOfResult(end.result, stop) : outcomeOfError(end.error, end.kind, stop)
  return withReportedUsage(outcome, activity?.progress ?? null)
}

/** Of a child whose grace is over. */
export function outcomeOfForce(stop: StopRequest, activity: ChildActivity | null): ChildOutcome {
  return withReportedUsage(stoppedOutcome(stop), activity?.progress ?? null)
}
