/**
 * What was read and cannot have changed since. Two facts together say so: nothing was committed here, and
 * `PRAGMA data_version` is what it was, which every commit from elsewhere changes. To ask for it takes a tenth of a read.
 */
import type { Sqlite } from './sqlite-driver.js'
import { dataVersion, unknownVersion } from './sqlite-watch.js'

export interface Unchanged<Value> {
  /** To be called outside of transactions only. */
  get(key: string, read: () => Value): Value
  /** To be called after every commit, in its tick. */
  forget(): void
}

/** Kept at a time: whoever asks again and again asks for few. */
const most = 64

/** `isKept` tells what is worth its memory; anything else is read each time. */
export function createUnchanged<Value>(db: Sqlite, isKept: (value: Value) => boolean): Unchanged<Value> {
  const known = new Map<string, Value>()
  let version = unknownVersion
  return {
    get(key, read) {
      const now = dataVersion(db)
      if (now !== version) known.clear()
      version = now
      const unchanged = known.get(key)
      if (unchanged !== undefined) return unchanged
      const found = read()
      if (now !== unknownVersion && known.size < most && isKept(found)) known.set(key, found)
      return found
    },
    forget: () => known.clear(),
  }
}
