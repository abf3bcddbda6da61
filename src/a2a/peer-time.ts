/** Time and chance, passed in, so that a test can hold them in its hand. */
export interface PeerTime {
  /** Milliseconds that never run backwards. */
  monotonicMs(): number
  /** Calls `fn` once, `ms` from now. Returns what takes it back. */
  after(ms: number, fn: () => void): () => void
  /** The same for what nobody waits for: it keeps no thread and no process alive. */
  later(ms: number, fn: () => void): () => void
  /** Unix seconds, for what outlives a process. */
  now(): number
  /** In [0, 1). */
  random(): number
}

export const systemTime: PeerTime = {
  monotonicMs: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
  later(ms, fn) {
    const timer = setTimeout(fn, ms).unref()
    return () => clearTimeout(timer)
  },
  now: () => Date.now() / 1000,
  // eslint-disable-next-line no-restricted-syntax -- where chance comes in: everything else is handed it
  random: Math.random,
}
