import { setTimeout as after } from 'node:timers/promises'

/** A signal that aborts with its parent, or by itself; `release` lets go of the parent. */
export interface AbortScope {
  readonly signal: AbortSignal
  abort(reason: unknown): void
  release(): void
}

export function openScope(parent: AbortSignal): AbortScope {
  const own = new AbortController()
  const follow = (): void => own.abort(parent.reason)
  if (parent.aborted) follow()
  else parent.addEventListener('abort', follow, { once: true })
  return {
    signal: own.signal,
    abort: (reason) => own.abort(reason),
    release: () => parent.removeEventListener('abort', follow),
  }
}

/** `work` with a signal that aborts with `parent`, and after so long. */
export async function within<T>(
  seconds: number,
  parent: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const scope = openScope(parent)
  const timer = setTimeout(() => scope.abort(new Error(`it took longer than ${seconds} s`)), seconds * 1_000)
  try {
    return await work(scope.signal)
  } finally {
    clearTimeout(timer)
    scope.release()
  }
}

/** Resolves after so long, or when the signal aborts. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  after(ms, undefined, { signal }).catch(() => undefined)
