import type { Ledger } from '../ledger/ledger.js'

/** Changes of a ledger, for one who reads and then waits: none falls between the two. */
export interface LedgerChanges {
  /** Calls `wake` at the next change, or at once when one came since `reset`. */
  next(wake: () => void): void
  forget(): void
  /** What comes from now on counts. Called before reading. */
  reset(): void
  stop(): void
}

export function watchChanges(ledger: Ledger): LedgerChanges {
  let hasChanged = false
  let waiter: (() => void) | null = null
  const stop = ledger.subscribe(() => {
    hasChanged = true
    waiter?.()
  })
  return {
    stop,
    reset: () => (hasChanged = false),
    forget: () => (waiter = null),
    next(wake) {
      waiter = wake
      if (hasChanged) wake()
    },
  }
}
