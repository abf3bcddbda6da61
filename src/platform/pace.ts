/** How much a workspace is given at a time, and how soon after it has refused. */
import type { Clock } from '../index.js'

export interface Pace {
  hasRoom(most: number): boolean
  begin(): void
  end(): void
  /** It has taken one. */
  went(): void
  /** It has not. `retryAfterMs`: its own wish, else the next step of a ladder. */
  refused(retryAfterMs: number | null): void
  /** It has said how much it does, and so that it is there: only its own wish is still waited for. */
  heard(activeTasks: number, isNew: boolean): void
  close(): void
}

const firstMs = 5_000
const longestMs = 60_000

/** `onRoom` is called when it may be tried again. */
export function createPace(clock: Clock, onRoom: () => void): Pace {
  let underWay = 0
  /** What the workspace said last, until something of ours has ended there: then it is out of date. */
  let reported = 0
  let refusals = 0
  let notBeforeMs = 0
  let isOwnWish = false
  let stopTimer = (): void => undefined

  return {
    // One that has just refused is tried with one.
    hasRoom: (most) =>
      clock.monotonicMs() >= notBeforeMs && Math.max(underWay, reported) < (refusals > 0 ? 1 : most),
    begin: () => void (underWay += 1),
    end() {
      underWay -= 1
      reported = 0
    },
    went() {
      refusals = 0
      notBeforeMs = 0
    },
    refused(retryAfterMs) {
      const ms = retryAfterMs ?? Math.min(firstMs * 2 ** refusals, longestMs)
      refusals += 1
      isOwnWish = retryAfterMs !== null
      notBeforeMs = clock.monotonicMs() + ms
      stopTimer()
      // A timer may be early by a fraction of what the clock shows, and there is no second one.
      stopTimer = clock.after(ms, () => {
        notBeforeMs = 0
        onRoom()
      })
    },
    heard(activeTasks, isNew) {
      reported = activeTasks
      if (isNew || !isOwnWish) {
        refusals = 0
        notBeforeMs = 0
      }
    },
    close: () => stopTimer(),
  }
}
