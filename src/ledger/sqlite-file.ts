/** The file a ledger, or a memory, lives in: made for this user alone, whatever the umask says. */
import { accessSync, chmodSync, closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DelegationError } from '../core/errors.js'
import { checkedVersion, migrate, type FileSchema } from './file-schema.js'
import { openSqlite, ledgerError, type Sqlite, type SqliteNeeds } from './sqlite-driver.js'

const owned = 0o600
const busyPollMs = 10

/**
 * Opens the database at `path`, makes it with its folder where it is not there, and brings its schema up to date. It merges
 * its log into itself only when it is told to (`PRAGMA wal_autocheckpoint`).
 * @throws {DelegationError} LEDGER_PATH, LEDGER_READ_ONLY, LEDGER_CORRUPT, LEDGER_FOREIGN, LEDGER_NEWER, LEDGER_BUSY,
 * LEDGER_FULL, LEDGER_IO, LEDGER_NO_DRIVER
 */
export async function openOwnFile(
  path: string,
  busyMs: number,
  schema: FileSchema,
  needs: SqliteNeeds = {},
): Promise<Sqlite> {
  makeFile(path)
  const db = await openSqlite(path, needs)
  try {
    await untilFree(busyMs, () => {
      // Nothing of a file is changed before it is known to be ours, or empty.
      checkedVersion(db, path, schema)
      keepPrivate(path)
      // The journal mode is the file's own and is changed once; everything else is this connection's.
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0')
      migrate(db, path, schema)
      // A file that cannot be written is found out here, and not when the first result is to be kept.
      db.exec('BEGIN IMMEDIATE; ROLLBACK')
    })
    return db
  } catch (error) {
    db.close()
    throw isReadOnly(path)
      ? new DelegationError('LEDGER_READ_ONLY', { path }, error)
      : ledgerError(error, path)
  }
}

/** SQLite says only that it cannot open what it would have to make beside such a file. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
  } catch {
    return false
  }
  try {
    accessSync(path, constants.W_OK)
    return false
  } catch {
    return true
  }
}

/** Opened only where it is not there: closing a file that SQLite has open would drop the locks of this process. */
function makeFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    closeSync(openSync(path, 'wx', owned))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC') throw new DelegationError('LEDGER_FULL', { path, problem: message }, error)
    if (code !== 'EEXIST') throw new DelegationError('LEDGER_PATH', { path, problem: message }, error)
  }
}

/** With what stands beside it, to which SQLite gives the mode that the file had when it was opened. */
function keepPrivate(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    try {
      chmodSync(file, owned)
    } catch {
      // Not there, or of another user: whether it can be used is SQLite's to say.
    }
  }
}

async function untilFree(busyMs: number, step: () => void): Promise<void> {
  const deadline = performance.now() + busyMs
  for (;;) {
    try {
      step()
      return
    } catch (error) {
      const named = ledgerError(error, '')
      const isBusy = named instanceof DelegationError && named.code === 'LEDGER_BUSY'
      if (!isBusy || performance.now() >= deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, busyPollMs))
    }
  }
}
