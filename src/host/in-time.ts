/** How long a host is waited for: one that never answers must not hold its completions for ever. */

export interface Patience {
  readonly ms: number
  /** Once it aborts, nobody stays for longer than 5 s. */
  readonly leaving: AbortSignal
}

export const late = Symbol('late')
const leavingMs = 5_000

/** What it resolves to, or `late`. */
export async function inTime<T>(answer: Promise<T>, { ms, leaving }: Patience): Promise<T | typeof late> {
  const timers: NodeJS.Timeout[] = []
  let leave = (): void => undefined
  const timeIsUp = new Promise<typeof late>((resolve) => {
    // Who waits for an answer lets the process end; who waits for a detach does not.
    timers.push(setTimeout(() => resolve(late), ms).unref())
    leave = () => void timers.push(setTimeout(() => resolve(late), leavingMs))
    if (leaving.aborted) leave()
    else leaving.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([answer, timeIsUp])
  } finally {
    leaving.removeEventListener('abort', leave)
    for (const timer of timers) clearTimeout(timer)
  }
}
