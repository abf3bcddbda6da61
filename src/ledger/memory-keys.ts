import type { Clock } from '../core/clock.js'
import type { Key } from './shapes.js'

/** Idempotency keys of the memory ledger. */
export interface MemoryKeys {
  /** The unit that has this key, if the key still lives. */
  answer(key: Key): { readonly status: 'existing' | 'key_reused'; readonly id: string } | null
  keep(key: Key, id: string): void
  forget(id: string): void
  prune(): number
}

export function createMemoryKeys(clock: Clock): MemoryKeys {
  const keys = new Map<
    string,
    { readonly fingerprint: string; readonly id: string; readonly until: number }
  >()
  return {
    answer({ key, fingerprint }) {
      const known = keys.get(key)
      if (known === undefined || known.until <= clock.now()) return null
      return { status: known.fingerprint === fingerprint ? 'existing' : 'key_reused', id: known.id }
    },
    keep({ key, fingerprint, keepSeconds }, id) {
      keys.set(key, { fingerprint, id, until: clock.now() + keepSeconds })
    },
    forget(id) {
      for (const [key, entry] of keys) if (entry.id === id) keys.delete(key)
    },
    prune() {
      const now = clock.now()
      let count = 0
      for (const [key, { until }] of keys) if (until <= now && keys.delete(key)) count += 1
      return count
    },
  }
}
