/**
 * Ends that the ledger could not take, on a disk that is full or a file that stays locked: one file each, beside the
 * ledger or in the user's own folder, which no variable moves, until it is replayed. Replaying one twice changes nothing:
 * an end is compare-and-set.
 */
import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, unlink } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { failPoint } from '../core/fail-point.js'
import type { Hold, Settlement } from './ledger.js'

export interface KeptEnd {
  readonly hold: Hold
  readonly end: Settlement
}

export interface SqliteSpool {
  /** Resolves once it is on a disk. Rejects when no folder would take it. */
  keep(kept: KeptEnd): Promise<void>
  /** Hands every kept end to `settle`, and forgets those that it took. Returns how many. */
  replay(settle: (kept: KeptEnd) => Promise<unknown>): Promise<number>
}

export function createSqliteSpool(path: string): SqliteSpool {
  const whole = resolve(path)
  const digest = createHash('sha256').update(whole).digest('hex').slice(0, 16)
  const places = [
    { folder: dirname(whole), prefix: `${basename(whole)}.unsettled.` },
    { folder: join(userInfo().homedir, '.hermes-delegate'), prefix: `${digest}.unsettled.` },
  ]

  async function keep(kept: KeptEnd): Promise<void> {
    const { id, fence } = kept.hold
    const failures: unknown[] = []
    for (const { folder, prefix } of places) {
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        failPoint('spool:before-keep')
        await writeWhole(join(folder, `${prefix}${id}.${fence}.json`), JSON.stringify(kept))
        failPoint('spool:kept')
        return
      } catch (error) {
        failures.push(error)
      }
    }
    throw new AggregateError(failures, `no folder took the end of ${id}`)
  }

  async function replay(settle: (kept: KeptEnd) => Promise<unknown>): Promise<number> {
    let count = 0
    for (const { folder, prefix } of places) {
      const names = await readdir(folder).catch(() => [])
      for (const name of names.filter((file) => file.startsWith(prefix) && file.endsWith('.json'))) {
        const kept = await readKept(join(folder, name))
        if (kept === null) continue
        await settle(kept)
        failPoint('spool:settled')
        await unlink(join(folder, name)).catch(() => undefined)
        count += 1
      }
    }
    return count
  }

  return { keep, replay }
}

async function writeWhole(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.datasync()
  } catch (error) {
    await unlink(file).catch(() => undefined)
    throw error
  } finally {
    await handle.close()
  }
}

/** Null: another process replayed it meanwhile, or is still writing it. */
async function readKept(file: string): Promise<KeptEnd | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as KeptEnd
  } catch {
    return null
  }
}
