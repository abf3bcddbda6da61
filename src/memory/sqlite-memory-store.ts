/** Memories in a SQLite file of their own, with a full-text table. Processes share it as they share a ledger. */
import { randomUUID } from 'node:crypto'
import { DelegationError } from '../core/errors.js'
import type { FileSchema } from '../ledger/file-schema.js'
import { createCheckpoints } from '../ledger/sqlite-checkpoint.js'
import type { Sqlite } from '../ledger/sqlite-driver.js'
import { openOwnFile } from '../ledger/sqlite-file.js'
import { createSqliteWriter } from '../ledger/sqlite-writer.js'
import {
  checkContent,
  checkRoom,
  machineNow,
  spaceKey,
  type Memory,
  type MemorySpace,
  type MemoryStore,
  type MemoryStoreOptions,
} from './memory-store.js'
import { wordsOf, wordsOfQuery } from './words.js'

export interface SqliteMemoryStoreOptions extends MemoryStoreOptions {
  /** How long a write may wait for a lock that another process holds, ms. @defaultValue 5_000 */
  readonly busyMs?: number
}

/** Its file is marked with "hdlm". The words are kept as `wordsOf` makes them, so that SQLite has nothing to decide. */
const schema: FileSchema = {
  applicationId: 0x68646c6d,
  major: 1,
  migrations: [
    `
    CREATE TABLE memories (
      n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, space TEXT NOT NULL, scope TEXT NOT NULL,
      content TEXT NOT NULL, committed_at REAL NOT NULL, UNIQUE (space, content)
    ) STRICT;
    CREATE INDEX memories_newest ON memories (space, committed_at);
    CREATE VIRTUAL TABLE memory_words USING fts5(words, content='', tokenize='unicode61 remove_diacritics 0');
    `,
  ],
}

const defaultBusyMs = 5_000

/**
 * Opens the memories in a file, and makes it where it is not there, for this user alone (0600).
 * @throws {DelegationError} as `sqliteLedger` does when it is opened; LEDGER_NO_DRIVER also where SQLite has no full-text
 * search
 */
export async function sqliteMemoryStore(
  path: string,
  { now = machineNow, busyMs = defaultBusyMs }: SqliteMemoryStoreOptions = {},
): Promise<MemoryStore> {
  const db = await openOwnFile(path, busyMs, schema, { search: true })
  const checkpoints = createCheckpoints(path)
  const writer = createSqliteWriter({
    db,
    path,
    busyMs,
    onCommit: () => checkpoints.afterCommit(),
    sync: null,
  })
  let isClosed = false
  const assertOpen = (): void => {
    if (isClosed) throw new DelegationError('LEDGER_CLOSED')
  }
  return {
    async commit(space, content) {
      checkContent(content)
      assertOpen()
      return writer.write(() => commit(db, space, content, now()))
    },
    async recall({ spaces, query, limit }) {
      assertOpen()
      const words = wordsOfQuery(query)
      if (words.length === 0 && query.trim() !== '') return []
      const select = { spaces: JSON.stringify(spaces.map(spaceKey)), limit }
      return writer.read(() => (words.length === 0 ? newest(db, select) : found(db, words, select)))
    },
    async close() {
      if (isClosed) return
      isClosed = true
      await writer.idle()
      await checkpoints.stop()
      db.close()
    },
  }
}

function commit(db: Sqlite, space: MemorySpace, content: string, committedAt: number): Memory {
  const where = { space: spaceKey(space), content }
  const known = db
    .sql('UPDATE memories SET committed_at = :at WHERE space = :space AND content = :content RETURNING id')
    .get<{ id: string }>({ ...where, at: committedAt })
  const memory = { scope: space.scope, content, committed_at: committedAt }
  if (known !== undefined) return { id: known.id, ...memory }
  const { count } = db
    .sql('SELECT count(*) AS count FROM memories WHERE space = :space')
    .get<{ count: number }>({ space: where.space }) ?? { count: 0 }
  checkRoom(count, space)
  const id = `mem_${randomUUID()}`
  const { n } = db
    .sql(
      `INSERT INTO memories (id, space, scope, content, committed_at)
       VALUES (:id, :space, :scope, :content, :at) RETURNING n`,
    )
    .get<{ n: number }>({ ...where, id, scope: space.scope, at: committedAt }) ?? { n: 0 }
  db.sql('INSERT INTO memory_words (rowid, words) VALUES (:n, :words)').run({
    n,
    words: wordsOf(content).join(' '),
  })
  return { id, ...memory }
}

interface Select extends Readonly<Record<string, string | number>> {
  /** JSON array of keys. */
  readonly spaces: string
  readonly limit: number
}

function newest(db: Sqlite, select: Select): Memory[] {
  return db
    .sql(
      `SELECT id, scope, content, committed_at FROM memories WHERE space IN (SELECT value FROM json_each(:spaces))
       ORDER BY committed_at DESC, n DESC LIMIT :limit`,
    )
    .all<Memory>(select)
    .map(plain)
}

/** Words are letters and digits alone, and in quotes: none of them can be an operator. */
function found(db: Sqlite, words: readonly string[], select: Select): Memory[] {
  return db
    .sql(
      `SELECT id, scope, content, committed_at FROM memory_words JOIN memories ON n = memory_words.rowid
       WHERE memory_words MATCH :match AND space IN (SELECT value FROM json_each(:spaces))
       ORDER BY rank, committed_at DESC, n DESC LIMIT :limit`,
    )
    .all<Memory>({ ...select, match: words.map((word) => `"${word}" *`).join(' OR ') })
    .map(plain)
}

/** Rows of node:sqlite have no prototype. */
function plain({ id, scope, content, committed_at }: Memory): Memory {
  return { id, scope, content, committed_at }
}
