/** The platform's file: one process at a time has it, and every answer that says "accepted" stands in it already. */
import { openSqliteFile, type Sqlite, type SqliteSchema } from '../index.js'

/** "hdpf". */
const schema: SqliteSchema = {
  applicationId: 0x68647066,
  major: 1,
  migrations: [
    `
    CREATE TABLE workspaces (
      id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
      tier INTEGER NOT NULL, parent_id TEXT, url TEXT NOT NULL, agent_card TEXT NOT NULL, inbound_token TEXT,
      deduplicates INTEGER NOT NULL, can_delegate INTEGER NOT NULL, max_concurrent_tasks INTEGER NOT NULL,
      status TEXT NOT NULL, last_heartbeat_at REAL NOT NULL, error_rate REAL NOT NULL, sample_error TEXT NOT NULL,
      active_tasks INTEGER NOT NULL, current_task TEXT NOT NULL, uptime_seconds REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX workspaces_parent ON workspaces (parent_id);

    CREATE TABLE delegations (
      n INTEGER PRIMARY KEY AUTOINCREMENT, delegation_id TEXT NOT NULL, caller_id TEXT NOT NULL,
      callee_id TEXT NOT NULL, task TEXT NOT NULL, status TEXT NOT NULL, result TEXT, error_detail TEXT,
      idempotency_key TEXT, deadline_at REAL NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX delegations_id ON delegations (caller_id, delegation_id);
    CREATE UNIQUE INDEX delegations_key ON delegations (caller_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
    CREATE INDEX delegations_caller ON delegations (caller_id, n);
    CREATE INDEX delegations_callee ON delegations (callee_id, n);
    CREATE INDEX delegations_live ON delegations (deadline_at) WHERE status NOT IN ('completed', 'failed');

    CREATE TABLE messages (
      n INTEGER PRIMARY KEY AUTOINCREMENT, queue_id TEXT NOT NULL UNIQUE, workspace_id TEXT NOT NULL,
      caller_id TEXT NOT NULL, message_id TEXT NOT NULL, delegation_id TEXT, body TEXT NOT NULL, headers TEXT NOT NULL,
      status TEXT NOT NULL, attempts INTEGER NOT NULL, enqueued_at REAL NOT NULL, dispatched_at REAL,
      completed_at REAL, expires_at REAL NOT NULL, is_followed INTEGER NOT NULL, task_id TEXT, context_id TEXT,
      http_status INTEGER, response_body TEXT, last_error TEXT
    ) STRICT;
    CREATE UNIQUE INDEX messages_id ON messages (workspace_id, caller_id, message_id);
    CREATE INDEX messages_open ON messages (workspace_id, n) WHERE status IN ('queued', 'dispatched');
    CREATE INDEX messages_task ON messages (workspace_id, task_id) WHERE task_id IS NOT NULL;
    CREATE INDEX messages_context ON messages (workspace_id, context_id) WHERE context_id IS NOT NULL;
    CREATE INDEX messages_delegation ON messages (caller_id, delegation_id) WHERE delegation_id IS NOT NULL;
    CREATE INDEX messages_ended ON messages (completed_at) WHERE completed_at IS NOT NULL;

    CREATE TABLE activities (
      n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, workspace_id TEXT NOT NULL,
      activity_type TEXT NOT NULL, source_id TEXT, target_id TEXT, method TEXT, summary TEXT NOT NULL,
      request_body TEXT, response_body TEXT, status TEXT NOT NULL, error_detail TEXT, duration_ms REAL,
      metadata TEXT, created_at REAL NOT NULL
    ) STRICT;
    CREATE INDEX activities_workspace ON activities (workspace_id, n);
    CREATE INDEX activities_created ON activities (created_at);
    `,
  ],
}

const openMs = 2_000

export interface Store {
  readonly db: Sqlite
  /** All of it is kept, or nothing. Steps inside others belong to them. */
  write<T>(step: () => T): T
  close(): void
}

/** @throws {DelegationError} LEDGER_BUSY where another process has it, and those of `sqliteLedger` */
export async function openStore(path: string): Promise<Store> {
  const db = await openSqliteFile(path, openMs, schema)
  // Two platforms on one file would send every message twice. The lock goes with the process, however that ends.
  db.exec('PRAGMA wal_autocheckpoint = 1000; PRAGMA locking_mode = EXCLUSIVE')
  try {
    db.exec('BEGIN IMMEDIATE; COMMIT')
  } catch (error) {
    db.close()
    throw error
  }
  let depth = 0
  return {
    db,
    write(step) {
      if (depth > 0) return step()
      db.exec('BEGIN IMMEDIATE')
      depth += 1
      try {
        const value = step()
        db.exec('COMMIT')
        return value
      } catch (error) {
        db.exec('ROLLBACK')
        throw error
      } finally {
        depth -= 1
      }
    },
    close: () => db.close(),
  }
}
