/** What children leave to be read, transcripts and summaries too long to travel, is kept for a week (spec 2.1). */
import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

const keptSeconds = 7 * 24 * 3600
/** `deleg_…` is a unit's folder of transcripts, `deleg_…-<task>.txt` a child's summary: all else is somebody else's. */
const ourName = /^(deleg_[0-9a-f]{20})(?:-\d+\.txt)?$/

interface KeptFilesOptions {
  readonly folder: string
  /** Unix seconds. */
  readonly now: number
  /** What belongs to a live unit stays, however old. */
  readonly isLive: (id: string) => Promise<boolean>
  /** Ends it before the next file. */
  readonly signal: AbortSignal
}

/** One file after the other, none of them on the loop. Never rejects: what cannot be read or removed stays. */
export async function pruneKeptFiles({ folder, now, isLive, signal }: KeptFilesOptions): Promise<void> {
  const names = signal.aborted ? [] : await readdir(folder).catch(() => [])
  for (const name of names) {
    if (signal.aborted) return
    const id = ourName.exec(name)?.[1]
    if (id === undefined) continue
    const path = join(folder, name)
    try {
      if ((await changedAt(path)) > now - keptSeconds || (await isLive(id))) continue
      await rm(path, { recursive: true, force: true })
    } catch {
      // Somebody else removes it, or nobody may.
    }
  }
}

/** Of a folder, when anything in it was written last: what is appended to a file does not change its folder. */
async function changedAt(path: string): Promise<number> {
  const entry = await lstat(path)
  if (!entry.isDirectory()) return entry.mtimeMs / 1000
  const files = await readdir(path)
  const times = await Promise.all(files.map((file) => lstat(join(path, file))))
  return Math.max(entry.mtimeMs, ...times.map(({ mtimeMs }) => mtimeMs)) / 1000
}
