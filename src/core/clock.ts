/** Unix seconds, as a float: the only clock that crosses processes (DESIGN 3). */
export type Instant = number

/** Time, passed in, so that a test can hold it in its hand. */
export interface Clock {
  /** Wall clock. For records and events only: it may jump. */
  now(): Instant
  /** Milliseconds that never run backwards. For every duration and deadline. */
  monotonicMs(): number
  /**
   * Calls `fn` once, `ms` from now, and never keeps the process alive for it (R5).
   * Returns the function that takes it back; taking it back twice, or too late, does nothing.
   */
  after(ms: number, fn: () => void): () => void
}

/** Seconds between two monotonic readings, to two decimals: Hermes' `round(x, 2)`. */
export function roundedSeconds(fromMs: number, toMs: number): number {
  return Math.round((toMs - fromMs) / 10) / 100
}
