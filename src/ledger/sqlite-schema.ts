/** What is in the file of a ledger. */
import { versionOf, type FileSchema } from './file-schema.js'

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

/** Its file is marked with "hdlg". */
export const ledgerSchema: FileSchema = { applicationId: 0x68646c67, major: 1, migrations }

/** What this program writes. */
export const current = versionOf(ledgerSchema)
