/**
 * Nothing of the runtime keeps the process alive (R5), except a caller who waits: for a unit, for a slot, for
 * completions, for the end of `close`.
 */
export interface ProcessHold {
  /** Keeps the process alive until the returned function is called. */
  take(): () => void
  /** Keeps the process alive while `promise` is pending. */
  during<T>(promise: Promise<T>): Promise<T>
}

const farAwayMs = 2 ** 31 - 1

export function createProcessHold(): ProcessHold {
  let count = 0
  let timer: NodeJS.Timeout | null = null

  function take(): () => void {
    let isHeld = true
    count += 1
    timer ??= setInterval(() => undefined, farAwayMs)
    return () => {
      if (!isHeld) return
      isHeld = false
      count -= 1
      if (count > 0 || timer === null) return
      clearInterval(timer)
      timer = null
    }
  }

  return {
    take,
    async during(promise) {
      const letGo = take()
      try {
        return await promise
      } finally {
        letGo()
      }
    },
  }
}
