/** How long a child may show no progress, seconds (spec 2.7: 450, 1200, 120). */
export interface StallThresholds {
  readonly idleSeconds: number
  readonly inToolSeconds: number
  readonly graceSeconds: number
}

export const defaultStallThresholds: StallThresholds = {
  idleSeconds: 450,
  inToolSeconds: 1200,
  graceSeconds: 120,
}

/** What was last seen of a child. `token` changes with every sign of life; `sinceMs` is when it last did, monotonic. */
export interface ProgressReading {
  readonly token: string
  readonly inTool: boolean
  readonly sinceMs: number
}

/** Pure. The clock starts again whenever the token changes; being in a tool alone is no sign of life. */
export function readProgress(
  previous: ProgressReading | null,
  seen: { readonly token: string; readonly inTool: boolean },
  nowMs: number,
): ProgressReading {
  if (previous?.token !== seen.token) return { ...seen, sinceMs: nowMs }
  return { ...previous, inTool: seen.inTool }
}

/** Non-null once the child has been quiet for as long as its phase allows (a threshold reached counts). */
export function stalledFor(
  reading: ProgressReading,
  thresholds: StallThresholds,
  nowMs: number,
): {
  readonly quietSeconds: number
  readonly thresholdSeconds: number
  readonly phase: 'idle' | 'in_tool'
} | null {
  const thresholdSeconds = reading.inTool ? thresholds.inToolSeconds : thresholds.idleSeconds
  const quietSeconds = Math.round((nowMs - reading.sinceMs) / 10) / 100
  if (quietSeconds < thresholdSeconds) return null
  return { quietSeconds, thresholdSeconds, phase: reading.inTool ? 'in_tool' : 'idle' }
}
