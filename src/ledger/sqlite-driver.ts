/**
 * The one file that knows which SQLite it is: `node:sqlite` where the platform has it (from 22.13), else
 * `better-sqlite3`. Both survive a thread that is terminated in mid-write; others that were tried do not.
 */
import { statfsSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname } from 'node:path'
import { DelegationError, type ErrorCode } from '../core/errors.js'

export type SqliteValue = null | number | string

/** By name: `:id` in the text is `id` here. */
export type SqliteValues = Readonly<Record<string, SqliteValue>>

/** Prepared once and used many times. */
export interface SqliteStatement {
  /** Returns how many rows it changed. */
  run(values?: SqliteValues): number
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows its columns
  get<Row>(values?: SqliteValues): Row | undefined
  all<Row>(values?: SqliteValues): Row[]
}

export interface Sqlite {
  exec(sql: string): void
  /** The same text gives the same statement. */
  sql(text: string): SqliteStatement
  close(): void
}

/** What both drivers have in common. */
interface Driver {
  exec(sql: string): unknown
  prepare(sql: string): {
    run(values: SqliteValues): { readonly changes: number | bigint }
    get(values: SqliteValues): unknown
    all(values: SqliteValues): unknown[]
  }
  close(): unknown
}

/** What not every SQLite has. */
export interface SqliteNeeds {
  /** Full-text search: of Node's own only from 22.16 on, and not in every build. @defaultValue false */
  readonly search?: boolean
}

/** @throws {DelegationError} LEDGER_NO_DRIVER where there is no SQLite that will do; else as `ledgerError` names it. */
export async function openSqlite(path: string, { search = false }: SqliteNeeds = {}): Promise<Sqlite> {
  const open = await loadDriver(search)
  let driver: Driver
  try {
    driver = open(path)
    // A lock is waited for by timers, never inside a call (P11).
    driver.exec('PRAGMA busy_timeout = 0')
  } catch (error) {
    throw ledgerError(error, path)
  }
  const statements = new Map<string, SqliteStatement>()
  return {
    exec: (sql) => void driver.exec(sql),
    sql(text) {
      const known = statements.get(text)
      if (known !== undefined) return known
      const prepared = driver.prepare(text)
      const statement: SqliteStatement = {
        run: (values = {}) => Number(prepared.run(values).changes),
        get: (values = {}) => prepared.get(values) as never,
        all: (values = {}) => prepared.all(values) as never[],
      }
      statements.set(text, statement)
      return statement
    },
    close: () => void driver.close(),
  }
}

/** Which one is used here. */
export function driverName(): string {
  return isBuiltin('node:sqlite') ? 'node:sqlite' : 'better-sqlite3'
}

async function loadDriver(needsSearch: boolean): Promise<(path: string) => Driver> {
  if (isBuiltin('node:sqlite')) {
    // By a name that the compiler does not follow: the types of the oldest Node that is supported know no such module.
    const builtin: string = 'node:sqlite'
    const { DatabaseSync } = (await import(builtin)) as { DatabaseSync: new (path: string) => Driver }
    if (!needsSearch || hasSearch(new DatabaseSync(':memory:'))) return (path) => new DatabaseSync(path)
  }
  try {
    const { default: Database } = await import('better-sqlite3')
    return (path) => new Database(path, { timeout: 0 })
  } catch (error) {
    throw new DelegationError(
      'LEDGER_NO_DRIVER',
      { node: process.version, ...(needsSearch && { needed: 'full-text search, FTS5' }) },
      error,
    )
  }
}

function hasSearch(db: Driver): boolean {
  const row = db.prepare("SELECT sqlite_compileoption_used('ENABLE_FTS5') AS has").get({})
  db.close()
  return (row as { readonly has: number }).has === 1
}

/** Primary result codes of SQLite (https://sqlite.org/rescode.html), and what they mean here. */
const codes: Readonly<Record<number, ErrorCode>> = {
  5: 'LEDGER_BUSY',
  6: 'LEDGER_BUSY',
  8: 'LEDGER_READ_ONLY',
  10: 'LEDGER_IO',
  11: 'LEDGER_CORRUPT',
  13: 'LEDGER_FULL',
  14: 'LEDGER_PATH',
  26: 'LEDGER_CORRUPT',
}

/** True for what is the trouble of the file: it may pass, or an operator may mend it. */
export const isOfTheFile = (code: ErrorCode): boolean => Object.values(codes).includes(code)

const numbers: Readonly<Record<string, number>> = {
  BUSY: 5,
  LOCKED: 6,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  NOTADB: 26,
}

/** SQLite's own error, or that of a row that is no JSON, as one of the catalogue; anything else is returned as it is. */
export function ledgerError(error: unknown, path: string): unknown {
  if (error instanceof SyntaxError)
    return new DelegationError('LEDGER_CORRUPT', { path, problem: error.message }, error)
  const number = resultCode(error)
  const known = number === null ? undefined : codes[number]
  if (known === undefined) return error
  const code = known === 'LEDGER_IO' && isDiskFull(path) ? 'LEDGER_FULL' : known
  return new DelegationError(code, { path, sqlite: (error as Error).message }, error)
}

/** Where the shared memory of the log finds no room, SQLite says only that it cannot be written: it grows by so much. */
const leastFreeBytes = 64 * 1024

function isDiskFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize < leastFreeBytes
  } catch {
    return false
  }
}

function resultCode(error: unknown): number | null {
  if (!(error instanceof Error)) return null
  // node:sqlite gives the extended number, better-sqlite3 the extended name.
  const { errcode, code } = error as { readonly errcode?: unknown; readonly code?: unknown }
  if (typeof errcode === 'number') return errcode & 0xff
  const [, name = ''] = typeof code === 'string' ? (/^SQLITE_([A-Z]+)/.exec(code) ?? []) : []
  return numbers[name] ?? null
}
