import type { Clock } from './clock.js'

/**
 * Resolves after `ms`, or at once when the signal aborts; never rejects. Whether the process stays alive for it is up to
 * the clock.
 */
export function pause(ms: number, clock: Pick<Clock, 'after'>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const takeBack = clock.after(ms, end)
    signal.addEventListener('abort', end)
    function end(): void {
      takeBack()
      signal.removeEventListener('abort', end)
      resolve()
    }
  })
}
