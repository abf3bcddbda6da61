import type { Readable } from 'node:stream'
import type { Clock } from '../core/clock.js'

const intervalMs = 100
/** Far more than a child of ours has to say in that time, far less than would keep the host's loop busy. */
const charactersPerInterval = 2_000_000

/**
 * Reads text no faster than the host can take it: who writes more waits at its own end of the pipe. `onText` is called
 * with each part, and returns what it cost, in characters.
 */
export function readPaced(clock: Clock, stream: Readable, onText: (text: string) => number): void {
  let spent = 0
  let sinceMs = clock.monotonicMs()
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const nowMs = clock.monotonicMs()
    if (nowMs - sinceMs >= intervalMs) {
      spent = 0
      sinceMs = nowMs
    }
    spent += onText(text)
    if (spent < charactersPerInterval) return
    stream.pause()
    clock.after(intervalMs, () => stream.resume())
  })
}
