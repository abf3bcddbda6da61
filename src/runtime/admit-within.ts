import type { Clock } from '../core/clock.js'
import { isFinal, type Rejected } from '../core/refusal.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Dispatched } from './dispatched.js'
import type { CallOptions } from './call-options.js'
import { watchChanges } from './ledger-changes.js'
import type { ProcessHold } from './process-hold.js'
import type { UnitRequest } from './request.js'

/** Admission for a caller who is ready to wait for a slot. */
export interface Patience {
  /** Tries again at each change of the ledger, for at most `request.admitWithinMs`. */
  admit(request: UnitRequest, call: CallOptions): Promise<Dispatched | Rejected>
}

interface PatienceOptions {
  readonly admitOnce: (request: UnitRequest, call: CallOptions) => Promise<Dispatched | Rejected>
  /** However long its caller waits. */
  readonly neverFits: (request: UnitRequest) => boolean
  readonly ledger: Ledger
  readonly clock: Clock
  readonly hold: ProcessHold
  readonly closing: AbortSignal
}

/** Who waits for a slot tries again this long after a change, ms. */
const retryPauseMs = 5

/** The caller waits, nothing piles up (P1). Timers, not clocks, say that its time is over: the last look comes after it. */
export function createPatience(given: PatienceOptions): Patience {
  const { admitOnce, neverFits, ledger, clock, hold, closing } = given
  const pause = (): Promise<void> => new Promise((resolve) => void clock.after(retryPauseMs, resolve))

  return {
    async admit(request, call) {
      const over = new AbortController()
      const stopDeadline = clock.after(request.admitWithinMs, () => over.abort())
      const isOver = (): boolean => over.signal.aborted
      const changes = watchChanges(ledger, clock, [closing, over.signal])
      try {
        for (;;) {
          changes.reset()
          const isLast = isOver()
          const outcome = await admitOnce(request, call)
          if (outcome.status === 'dispatched' || outcome.refusal === undefined) return outcome
          if (isLast || neverFits(request) || isFinal(outcome.refusal)) return outcome
          await hold.during(changes.wait(request.admitWithinMs))
          // A hint may be empty, and an attempt may cause the next one: the pause keeps that from taking the loop.
          if (!isOver()) await hold.during(pause())
        }
      } finally {
        stopDeadline()
        changes.stop()
      }
    },
  }
}
