export interface BackoffOptions {
  readonly initialSeconds: number
  readonly factor: number
  readonly maxSeconds: number
}

/** Redelivery: 1 s, 2 s, 4 s … 5 minutes at most. */
export const defaultBackoff: BackoffOptions = { initialSeconds: 1, factor: 2, maxSeconds: 300 }

/**
 * Seconds to wait before attempt `attempt` (from 1), with ±50 % jitter, never over `maxSeconds`. Pure: `random` gives
 * a number in [0, 1).
 */
export function backoffSeconds(attempt: number, options: BackoffOptions, random: () => number): number {
  const base = Math.min(
    options.initialSeconds * options.factor ** Math.max(0, attempt - 1),
    options.maxSeconds,
  )
  return Math.min(base * (0.5 + random()), options.maxSeconds)
}
