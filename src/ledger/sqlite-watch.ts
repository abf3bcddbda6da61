/**
 * Tells when another process has written: a watch on the write-ahead log, with a timer behind it for file systems that
 * report nothing. `PRAGMA data_version` decides whether there is news, so that a report too many costs next to nothing.
 */
import { watch, type FSWatcher } from 'node:fs'
import type { Sqlite } from './sqlite-driver.js'

/** After news it rests this long, ms: beside a busy writer that is what keeps it cheap. */
const restMs = 5
/** Without any report it looks this often, ms. */
const pollMs = 2_000

/** Returns what ends the watch. Keeps no process alive. */
export function watchForeignWrites(db: Sqlite, path: string, onWrite: () => void): () => void {
  let seen = dataVersion(db)
  let watcher: FSWatcher | null = null
  let resting: NodeJS.Timeout | null = null
  let isOver = false
  const poll = setInterval(() => void look(), pollMs)
  poll.unref()

  /** True when there was news. */
  function look(): boolean {
    const now = dataVersion(db)
    if (now === seen) return false
    seen = now
    onWrite()
    return true
  }

  function onReport(): void {
    look()
    rest()
  }

  function rest(): void {
    watcher?.close()
    watcher = null
    resting ??= setTimeout(listen, restMs)
    resting.unref()
  }

  /** While there is news at every look no watch is set up: beside a busy writer that would be the dearest part. */
  function listen(): void {
    resting = null
    if (isOver) return
    if (look()) return rest()
    try {
      watcher = watch(`${path}-wal`, { persistent: false }, onReport)
      watcher.on('error', () => undefined)
    } catch {
      // No watch to be had: the timer is enough.
    }
    // What was written before the watch stood.
    if (look()) rest()
  }

  listen()
  return () => {
    isOver = true
    clearInterval(poll)
    watcher?.close()
  }
}

/** That of a file which does not tell for the moment. */
export const unknownVersion = -1

/** Another number after every commit of another connection. */
export function dataVersion(db: Sqlite): number {
  try {
    return db.sql('PRAGMA data_version').get<{ readonly data_version: number }>()?.data_version ?? 0
  } catch {
    // Locked for a moment, or closed: the next look tells.
    return unknownVersion
  }
}
