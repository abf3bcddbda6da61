/**
 * Units that were read and have not changed since. Two facts together say so: nothing was committed here, and
 * `PRAGMA data_version` is what it was, which every commit from elsewhere changes. To ask for it takes a tenth of a read.
 */
import type { UnitRecord } from './shapes.js'
import type { Sqlite } from './sqlite-driver.js'
import type { FoundUnit } from './sqlite-unit-rows.js'
import { dataVersion, unknownVersion } from './sqlite-watch.js'

export interface KnownUnits {
  /** To be called outside of transactions only. */
  get(id: string): UnitRecord | null
  /** To be called after every commit, in its tick. */
  forget(): void
}

/** Those that are asked for again and again are few; a long one is read each time, so that little is kept. */
const most = 64
const mostCharacters = 16_384

export function createKnownUnits(db: Sqlite, find: (id: string) => FoundUnit | null): KnownUnits {
  const known = new Map<string, UnitRecord>()
  let version = unknownVersion
  return {
    get(id) {
      const now = dataVersion(db)
      if (now !== version) known.clear()
      version = now
      const unchanged = known.get(id)
      if (unchanged !== undefined) return unchanged
      const found = find(id)
      if (found === null) return null
      const isKept = now !== unknownVersion && found.characters <= mostCharacters && known.size < most
      if (isKept) known.set(id, found.unit)
      return found.unit
    },
    forget: () => known.clear(),
  }
}
