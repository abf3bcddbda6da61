/** Who is told that a ledger changed. */
export interface Subscribers {
  readonly size: number
  /** Returns what takes it back. */
  add(onChange: () => void): () => void
  /** A hint that one of them could not take is still one for the others. */
  tell(): void
  clear(): void
}

export function createSubscribers(): Subscribers {
  const told = new Set<() => void>()
  return {
    get size() {
      return told.size
    },
    add(onChange) {
      const one = (): void => onChange()
      told.add(one)
      return () => void told.delete(one)
    },
    tell() {
      for (const one of [...told]) {
        try {
          one()
        } catch {
          // No write fails because of it.
        }
      }
    },
    clear: () => told.clear(),
  }
}
