import type { Clock } from '../core/clock.js'

/** Resolves when `promise` does, or after `withinMs`. */
export async function waitAtMost(clock: Clock, withinMs: number, promise: Promise<unknown>): Promise<void> {
  let stopTimer = (): void => undefined
  const late = new Promise<void>((resolve) => (stopTimer = clock.after(withinMs, resolve)))
  await Promise.race([promise, late])
  stopTimer()
}
