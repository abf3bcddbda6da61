import type { Clock } from '../core/clock.js'

/** Questions to a thread whether its event loop still turns. */
export interface Pings {
  /** Sends a ping; resolves true when it is answered, false when it was not within `withinMs`. */
  ask(send: (ping: number) => void, withinMs: number): Promise<boolean>
  answer(ping: number): void
}

export function createPings(clock: Clock): Pings {
  const open = new Map<number, () => void>()
  let count = 0
  return {
    ask(send, withinMs) {
      count += 1
      const ping = count
      return new Promise((resolve) => {
        const settle = (isAlive: boolean): void => {
          stopTimer()
          open.delete(ping)
          resolve(isAlive)
        }
        const stopTimer = clock.after(withinMs, () => settle(false))
        open.set(ping, () => settle(true))
        send(ping)
      })
    },
    answer: (ping) => open.get(ping)?.(),
  }
}
