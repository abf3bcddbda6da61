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
import type { Hold, Settlement } from './shapes.js'

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

interface Place {
  readonly folder: string
  readonly prefix: string
}

export function createSqliteSpool(path: string): SqliteSpool {
  const places = placesOf(path)

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
    for (const file of await filesOf(places)) {
      const kept = await readKept(file)
      if (kept === null) continue
      await settle(kept)
      failPoint('spool:settled')
      await unlink(file).catch(() => undefined)
      count += 1
    }
    return count
  }

  return { keep, replay }
}

/** The files that wait beside the ledger of this path, and whose ends they are; null where that cannot be read. */
export async function keptEnds(
  path: string,
): Promise<readonly { readonly file: string; readonly id: string | null }[]> {
  const files = await filesOf(placesOf(path))
  const found = await Promise.all(files.map(async (file) => ({ file, id: idOf(await readKept(file)) })))
  // One that is gone by now was replayed meanwhile.
  const left = new Set(await filesOf(placesOf(path)))
  return found.filter(({ file }) => left.has(file))
}

/** Of a file that another hand has changed, anything may be missing. */
const idOf = (kept: Partial<KeptEnd> | null): string | null => kept?.hold?.id ?? null

function placesOf(path: string): readonly Place[] {
  const whole = resolve(path)
  const digest = createHash('sha256').update(whole).digest('hex').slice(0, 16)
  return [
    { folder: dirname(whole), prefix: `${basename(whole)}.unsettled.` },
    { folder: join(userInfo().homedir, '.hermes-delegate'), prefix: `${digest}.unsettled.` },
  ]
}

async function filesOf(places: readonly Place[]): Promise<string[]> {
  const files: string[] = []
  for (const { folder, prefix } of places) {
    const names = await readdir(folder).catch(() => [])
    const own = names.filter((name) => name.startsWith(prefix) && name.endsWith('.json'))
    files.push(...own.map((name) => join(folder, name)))
  }
  return files
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
