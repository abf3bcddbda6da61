import { stat } from 'node:fs/promises'
import { driverName, ledgerError, openSqlite, type Sqlite } from './sqlite-driver.js'
import { sideFileFindings, slotFindings, type FileFinding } from './sqlite-findings.js'
import { current } from './sqlite-schema.js'

/** What there is to say about a ledger's file, for a person who looks into why something does not work. */
export interface LedgerFacts {
  /** Which SQLite reads it, and its version. */
  readonly driver: string
  readonly sqlite_version: string
  /** `major.minor` of what this program writes. */
  readonly supported_schema: string
  /** Null: it is not there yet. */
  readonly file: {
    readonly schema: string
    /** With what is not yet merged into it. */
    readonly size_bytes: number
    /** Its permissions: 0600 is for this user alone. */
    readonly mode: number
  } | null
  /** What of it, and of the files beside it, does not agree with the rest. */
  readonly findings: readonly FileFinding[]
}

/**
 * Reads a file, changes nothing in it, and makes none.
 * @throws {DelegationError} LEDGER_NO_DRIVER, and those of a file that cannot be read
 */
export async function ledgerFacts(path: string): Promise<LedgerFacts> {
  const file = await stat(path).catch(() => null)
  const log = await stat(`${path}-wal`).catch(() => ({ size: 0 }))
  const db = await openSqlite(file === null ? ':memory:' : path)
  try {
    const version = db.sql('PRAGMA user_version').get<{ readonly user_version: number }>()
    const sqlite = db.sql('SELECT sqlite_version() AS version').get<{ readonly version: string }>()
    const slots = file === null || !hasTables(db) ? [] : slotFindings(db)
    return {
      driver: driverName(),
      sqlite_version: sqlite?.version ?? '',
      supported_schema: schemaName(current),
      file: file && {
        schema: schemaName(version?.user_version ?? 0),
        size_bytes: file.size + log.size,
        mode: file.mode & 0o777,
      },
      findings: [...slots, ...(await sideFileFindings(path))],
    }
  } catch (error) {
    throw ledgerError(error, path)
  } finally {
    db.close()
  }
}

function hasTables(db: Sqlite): boolean {
  const tables = "SELECT count(*) AS count FROM sqlite_schema WHERE name IN ('units', 'charges', 'counters')"
  return db.sql(tables).get<{ readonly count: number }>()?.count === 3
}

function schemaName(version: number): string {
  return `${Math.floor(version / 1000)}.${version % 1000}`
}
