/** How what becomes of a child is said. */
import type { JsonObject } from '../core/json.js'
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
export function wordOfRunning(
  stop: StopRequest | null,
  isCalled: boolean,
  waitsForAnswer: boolean,
  progress: JsonObject | null,
): string {
  const said = progress?.['state']
  if (stop === null && said === 'auth_required') return said
  if (stop === null && waitsForAnswer) return 'input_required'
  if (stop === null && said === 'queued') return said
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
