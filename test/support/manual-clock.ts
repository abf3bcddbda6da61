import type { Clock } from '../../src/core/clock.js'

/** A clock that stands still until the test moves it. */
export interface ManualClock extends Clock {
  /** Moves both clocks on, and calls what falls due on the way, in order of time. */
  advance(ms: number): void
  /** Sets the wall clock back; the monotonic one goes on. */
  setBack(ms: number): void
  /** Timers that were set and neither fired nor taken back. */
  readonly pending: number
}

interface Timer {
  readonly atMs: number
  readonly fn: () => void
}

/** Starts at `startSeconds`, Unix time; the monotonic clock starts at 0. */
export function createManualClock(startSeconds = 1_750_000_000): ManualClock {
  let elapsedMs = 0
  let setBackMs = 0
  const timers = new Set<Timer>()

  function nextDue(untilMs: number): Timer | undefined {
    const due = [...timers].filter(({ atMs }) => atMs <= untilMs)
    return due.sort((a, b) => a.atMs - b.atMs)[0]
  }

  return {
    now: () => startSeconds + (elapsedMs - setBackMs) / 1000,
    monotonicMs: () => elapsedMs,
    after(ms, fn) {
      const timer = { atMs: elapsedMs + ms, fn }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    advance(ms) {
      const untilMs = elapsedMs + ms
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        timers.delete(timer)
        elapsedMs = Math.max(elapsedMs, timer.atMs)
        timer.fn()
      }
      elapsedMs = untilMs
    },
    setBack(ms) {
      setBackMs += ms
    },
    get pending() {
      return timers.size
    },
  }
}
