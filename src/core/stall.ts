/** When a child counts as stuck: by its progress, never by the clock on the wall (spec 2.7). Pure. */
import type { StopRequest } from './completion.js'

/** How long a child may show no progress, seconds (spec 2.7: 450, 1200, 120). */
export interface StallThresholds {
  readonly idleSeconds: number
  /** While it is inside a tool: a build that prints nothing is not stuck. */
  readonly inToolSeconds: number
  /** Between its interrupt and its forced end. */
  readonly graceSeconds: number
}

export const defaultStallThresholds: StallThresholds = {
  idleSeconds: 450,
  inToolSeconds: 1200,
  graceSeconds: 120,
}

/** What is known of a child that was quiet for too long. */
export interface Stall {
  readonly quietSeconds: number
  readonly thresholdSeconds: number
  readonly phase: 'idle' | 'in_tool'
}

/** Non-null once the child has been quiet for as long as its phase allows (a threshold reached counts). */
export function stalledFor(quietMs: number, inTool: boolean, thresholds: StallThresholds): Stall | null {
  const thresholdSeconds = inTool ? thresholds.inToolSeconds : thresholds.idleSeconds
  const quietSeconds = Math.round(quietMs / 10) / 100
  if (quietSeconds < thresholdSeconds) return null
  return { quietSeconds, thresholdSeconds, phase: inTool ? 'in_tool' : 'idle' }
}

const goalCharacters = 120

/** The stop of a child that is stuck. `loopBlocked`: its event loop does not answer, so that it does not even wait. */
export function stallStop(
  goal: string,
  stall: Stall,
  graceSeconds: number,
  loopBlocked: boolean,
): StopRequest {
  const { quietSeconds, thresholdSeconds, phase } = stall
  const shown = goal.replace(/\s+/g, ' ').trim().slice(0, goalCharacters)
  const minutes = Math.floor(quietSeconds / 60)
  const after = minutes > 0 ? ` after ${minutes} min of no progress` : ''
  const how = loopBlocked ? ' (its event loop is blocked)' : ''
  return {
    cause: 'stalled',
    reason:
      `"${shown}" stalled: it stopped responding${after}${how} and was cancelled. ` +
      'Nothing else was affected; ask again if it is still wanted.',
    fields: {
      stalled_after_quiet_seconds: quietSeconds,
      stall_threshold_seconds: thresholdSeconds,
      stall_phase: phase,
      stall_grace_seconds: graceSeconds,
      stall_loop_blocked: loopBlocked,
    },
  }
}
