import type { Clock } from '../core/clock.js'
import type { Ledger } from '../ledger/ledger.js'

/** Changes of a ledger, for one who reads and then waits: none falls between the two. */
export interface LedgerChanges {
  /** What comes from now on counts. Called before reading. */
  reset(): void
  /** Resolves at the first change since `reset`, after `withinMs`, or when a signal aborts: whoever it is looks again. */
  wait(withinMs: number): Promise<void>
  stop(): void
}

/** @param signals end every wait. */
export function watchChanges(ledger: Ledger, clock: Clock, signals: readonly AbortSignal[]): LedgerChanges {
  let hasChanged = false
  let wakeUp: (() => void) | null = null
  const stop = ledger.subscribe(() => {
    hasChanged = true
    wakeUp?.()
  })
  return {
    stop,
    reset: () => (hasChanged = false),
    wait: (withinMs) =>
      new Promise((resolve) => {
        const wake = (): void => {
          stopTimer()
          wakeUp = null
          for (const signal of signals) signal.removeEventListener('abort', wake)
          resolve()
        }
        const stopTimer = clock.after(Math.max(0, withinMs), wake)
        for (const signal of signals) signal.addEventListener('abort', wake, { once: true })
        wakeUp = wake
        if (hasChanged || signals.some(({ aborted }) => aborted)) wake()
      }),
  }
}
