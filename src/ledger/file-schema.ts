/**
 * Which schema a database has. The version is `major * 1000 + minor` (`PRAGMA user_version`): a minor one only adds, so
 * that an older program goes on reading and writing a newer file of its own major version.
 */
import { DelegationError } from '../core/errors.js'
import type { Sqlite } from './sqlite-driver.js'

export interface FileSchema {
  /** Marks the file as ours (`PRAGMA application_id`). */
  readonly applicationId: number
  readonly major: number
  /** One entry per minor version, oldest first. A change of the schema is a new entry; what is here stays. */
  readonly migrations: readonly string[]
}

/** `major * 1000 + minor`. */
export function versionOf({ major, migrations }: FileSchema): number {
  return major * 1000 + migrations.length
}

/**
 * Brings the file up to this program's version. Inside a transaction that holds the write lock, so that of two
 * programs that find an old file one changes it.
 * @throws {DelegationError} LEDGER_NEWER, LEDGER_FOREIGN
 */
export function migrate(db: Sqlite, path: string, schema: FileSchema): void {
  const current = versionOf(schema)
  if (checkedVersion(db, path, schema) >= current) return
  db.exec('BEGIN IMMEDIATE')
  try {
    const from = checkedVersion(db, path, schema)
    for (const step of schema.migrations.slice(from === 0 ? 0 : from % 1000)) db.exec(step)
    if (from < current) {
      db.exec(`PRAGMA application_id = ${schema.applicationId}`)
      db.exec(`PRAGMA user_version = ${current}`)
    }
    db.exec('COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

/**
 * Changes nothing. 0 for a file with nothing in it.
 * @throws {DelegationError} LEDGER_NEWER, LEDGER_FOREIGN
 */
export function checkedVersion(db: Sqlite, path: string, { applicationId, major }: FileSchema): number {
  const version = pragma(db, 'user_version')
  const id = pragma(db, 'application_id')
  if (id === applicationId) {
    const found = Math.floor(version / 1000)
    if (found > major) throw new DelegationError('LEDGER_NEWER', { path, found, supported: major })
    return version
  }
  const tables = db.sql('SELECT count(*) AS count FROM sqlite_schema').get<{ count: number }>()?.count ?? 0
  if (id !== 0 || version !== 0 || tables > 0) throw new DelegationError('LEDGER_FOREIGN', { path })
  return 0
}

function pragma(db: Sqlite, name: 'user_version' | 'application_id'): number {
  return db.sql(`PRAGMA ${name}`).get<Readonly<Record<string, number>>>()?.[name] ?? 0
}
