/**
 * What is in the file. The version is `major * 1000 + minor` (`PRAGMA user_version`): a minor one only adds, so that
 * an older program goes on reading and writing a newer file of its own major version.
 */
import { DelegationError } from '../core/errors.js'
import type { Sqlite } from './sqlite-driver.js'

/** What a file of ours is known by, and how it came to be. */
export interface SqliteSchema {
  /** Marks the file as ours (`PRAGMA application_id`). */
  readonly applicationId: number
  readonly major: number
  /** One entry per minor version, oldest first. A change of the schema is a new entry; what is there stays. */
  readonly migrations: readonly string[]
}

const major = 1

const migrations: readonly string[] = [
  `
  CREATE TABLE owners (
    id TEXT PRIMARY KEY, pid INTEGER NOT NULL, started_at REAL NOT NULL, boot_id TEXT NOT NULL,
    pid_namespace TEXT NOT NULL, seen_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE units (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, slot_key TEXT NOT NULL,
    session_key TEXT NOT NULL, parent_session_id TEXT, origin_ui_session_id TEXT NOT NULL,
    dispatched_by TEXT NOT NULL, owner TEXT NOT NULL, fence INTEGER NOT NULL,
    state TEXT NOT NULL, cause TEXT, slot_held INTEGER NOT NULL, admitted_at REAL NOT NULL, ended_at REAL,
    interrupt TEXT, interrupt_report TEXT, child_count INTEGER NOT NULL, pulled INTEGER NOT NULL,
    on_owner_death TEXT NOT NULL,
    goal TEXT NOT NULL, late TEXT, draft TEXT NOT NULL
  ) STRICT;
  CREATE INDEX units_live ON units (owner) WHERE ended_at IS NULL OR slot_held = 1;
  CREATE INDEX units_joined ON units (slot_key) WHERE slot_held = 1 AND slot_key <> id;
  CREATE INDEX units_running ON units (session_key) WHERE ended_at IS NULL;
  CREATE INDEX units_ended ON units (ended_at) WHERE ended_at IS NOT NULL AND slot_held = 0;

  CREATE TABLE children (
    unit TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, result TEXT, checkpoint TEXT,
    PRIMARY KEY (unit, number)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE charges (
    slot_key TEXT NOT NULL, counter TEXT NOT NULL, amount REAL NOT NULL, PRIMARY KEY (slot_key, counter)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX charges_counter ON charges (counter);
  CREATE TABLE counters (counter TEXT PRIMARY KEY, total REAL NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, unit TEXT NOT NULL, until REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX keys_unit ON keys (unit);
  CREATE INDEX keys_until ON keys (until);

  CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, delegation_id TEXT NOT NULL,
    session_key TEXT NOT NULL, parent_session_id TEXT, origin_ui_session_id TEXT NOT NULL,
    dispatched_by TEXT NOT NULL, pulled INTEGER NOT NULL, is_open INTEGER NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL,
    available_at REAL NOT NULL, leased_until REAL, born_at REAL NOT NULL, resolved_at REAL,
    claim TEXT, claimed_by TEXT, claims INTEGER NOT NULL, reason TEXT, event TEXT NOT NULL
  ) STRICT;
  CREATE INDEX deliveries_unit ON deliveries (delegation_id) WHERE delegation_id <> event_id;
  CREATE INDEX deliveries_claim ON deliveries (claim) WHERE claim IS NOT NULL;
  CREATE INDEX deliveries_claimed_by ON deliveries (claimed_by) WHERE claimed_by IS NOT NULL;
  CREATE INDEX deliveries_session ON deliveries (session_key, seq) WHERE is_open = 1;
  CREATE INDEX deliveries_parent ON deliveries (parent_session_id, seq)
    WHERE is_open = 1 AND parent_session_id IS NOT NULL;
  CREATE INDEX deliveries_ui ON deliveries (origin_ui_session_id, seq)
    WHERE is_open = 1 AND origin_ui_session_id <> '';
  CREATE INDEX deliveries_origin ON deliveries (dispatched_by, seq) WHERE is_open = 1;
  CREATE INDEX deliveries_open ON deliveries (seq) WHERE is_open = 1;
  CREATE INDEX deliveries_resolved ON deliveries (resolved_at) WHERE resolved_at IS NOT NULL;
  `,
  `
  CREATE TABLE budgets (
    counter TEXT PRIMARY KEY, reserved REAL NOT NULL, spent REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE reservations (
    unit TEXT NOT NULL, counter TEXT NOT NULL, slot_key TEXT NOT NULL, amount REAL NOT NULL, at_settle TEXT NOT NULL,
    PRIMARY KEY (unit, counter)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX reservations_slot ON reservations (slot_key);
  CREATE INDEX reservations_counter ON reservations (counter);

  CREATE TABLE usages (
    n INTEGER PRIMARY KEY, unit TEXT NOT NULL, tree TEXT NOT NULL, session_key TEXT NOT NULL, model TEXT, runner TEXT,
    ended_at REAL NOT NULL, api_calls REAL NOT NULL, input_tokens REAL NOT NULL, output_tokens REAL NOT NULL,
    cost_micros REAL NOT NULL
  ) STRICT;
  CREATE INDEX usages_ended ON usages (ended_at);
  `,
  // Of the event's text: SQLite does not notice when a disk, or another program, has changed letters of it.
  'ALTER TABLE deliveries ADD COLUMN event_crc INTEGER',
  `
  ALTER TABLE units ADD COLUMN parent_id TEXT;
  CREATE INDEX units_below ON units (parent_id) WHERE parent_id IS NOT NULL;
  `,
  `
  ALTER TABLE children ADD COLUMN question TEXT;

  CREATE TABLE letters (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, unit TEXT NOT NULL, kind TEXT NOT NULL,
    payload TEXT NOT NULL, sent_at REAL NOT NULL, reply TEXT
  ) STRICT;
  CREATE INDEX letters_unit ON letters (unit);
  `,
]

/** "hdlg". */
export const ledgerSchema: SqliteSchema = { applicationId: 0x68646c67, major, migrations }

/** What this program writes: `major * 1000 + minor`. */
export const current = versionOf(ledgerSchema)

function versionOf(schema: SqliteSchema): number {
  return schema.major * 1000 + schema.migrations.length
}

/**
 * Brings the file up to this program's version. Inside a transaction that holds the write lock, so that of two
 * programs that find an old file one changes it.
 * @throws {DelegationError} LEDGER_NEWER, LEDGER_FOREIGN
 */
export function migrate(db: Sqlite, path: string, schema: SqliteSchema): void {
  const newest = versionOf(schema)
  if (checkedVersion(db, path, schema) >= newest) return
  db.exec('BEGIN IMMEDIATE')
  try {
    const from = checkedVersion(db, path, schema)
    for (const step of schema.migrations.slice(from === 0 ? 0 : from % 1000)) db.exec(step)
    if (from < newest) {
      db.exec(`PRAGMA application_id = ${schema.applicationId}`)
      db.exec(`PRAGMA user_version = ${newest}`)
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
export function checkedVersion(db: Sqlite, path: string, { applicationId, major }: SqliteSchema): number {
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
