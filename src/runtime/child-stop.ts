import type { Clock } from '../core/clock.js'

/** How a stop went: by itself within the grace, by force, or not at all. */
export type StopResult = 'stopped' | 'escalated' | 'unreachable'

/** A stop that is under way. */
export interface Stopping {
  readonly result: Promise<StopResult>
  /** The child has its end. */
  ended(): void
  /** Of two stops the nearer deadline counts. */
  hasten(graceMs: number): void
}

interface StopSteps {
  readonly clock: Clock
  readonly isRunning: () => boolean
  /** Polite. */
  readonly ask: (graceMs: number) => void
  /** The grace is over. False: there is no such means. */
  readonly force: (graceMs: number) => boolean
}

/** How long the proof of a forced end is waited for before a child counts as unreachable, ms. */
const proofMs = 1_000

/** Forces when the grace is over. The first asking is the caller's. */
export function createStopping({ clock, isRunning, ask, force }: StopSteps, graceMs: number): Stopping {
  let resolve: (result: StopResult) => void = () => undefined
  const result = new Promise<StopResult>((settle) => (resolve = settle))
  let ifEnded: StopResult = 'stopped'
  let grace = graceMs
  let deadlineMs = clock.monotonicMs() + grace
  const expire = (): void => {
    if (!isRunning()) return
    ifEnded = 'escalated'
    if (force(grace)) cancel = clock.after(proofMs, () => resolve('unreachable'))
    else resolve('unreachable')
  }
  let cancel = clock.after(grace, expire)
  return {
    result,
    ended() {
      cancel()
      resolve(ifEnded)
    },
    hasten(otherGraceMs) {
      const otherMs = clock.monotonicMs() + otherGraceMs
      if (!isRunning() || otherMs >= deadlineMs) return
      deadlineMs = otherMs
      grace = otherGraceMs
      cancel()
      cancel = clock.after(grace, expire)
      ask(grace)
    },
  }
}
