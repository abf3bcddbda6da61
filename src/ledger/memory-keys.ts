import type { Clock } from '../core/clock.js'
import type { Admission, Key } from './shapes.js'

/** Idempotency keys: which unit each names, for as long as it is kept. */
export interface MemoryKeys {
  /** What a call with a known key is answered; null for one that is new, or past its time. */
  answer(key: Key | undefined): Admission | null
  keep(key: Key | undefined, id: string): void
  forget(id: string): void
  prune(): number
}

export function createKeys(clock: Clock): MemoryKeys {
  const keys = new Map<
    string,
    { readonly fingerprint: string; readonly id: string; readonly until: number }
  >()
  return {
    answer(key) {
      const known = key === undefined ? undefined : keys.get(key.key)
      if (known === undefined || known.until <= clock.now()) return null
      return { status: known.fingerprint === key?.fingerprint ? 'existing' : 'key_reused', id: known.id }
    },
    keep(key, id) {
      if (key === undefined) return
      keys.set(key.key, { fingerprint: key.fingerprint, id, until: clock.now() + key.keepSeconds })
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
