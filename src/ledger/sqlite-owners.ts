/** Who has joined the ledger. */
import type { Owner } from './shapes.js'
import type { Sqlite } from './sqlite-driver.js'

export function enter(db: Sqlite, owner: Owner): void {
  db.sql(
    `INSERT OR REPLACE INTO owners (id, pid, started_at, boot_id, pid_namespace, seen_at)
     VALUES (:id, :pid, :startedAt, :bootId, :pidNamespace, :seenAt)`,
  ).run({ ...owner })
}

export function isJoined(db: Sqlite, id: string): boolean {
  return db.sql('SELECT 1 FROM owners WHERE id = :id').get({ id }) !== undefined
}

export function leave(db: Sqlite, id: string): void {
  db.sql('DELETE FROM owners WHERE id = :id').run({ id })
}

export function allOwners(db: Sqlite): Owner[] {
  return db
    .sql(
      `SELECT id, pid, started_at AS startedAt, boot_id AS bootId, pid_namespace AS pidNamespace, seen_at AS seenAt
       FROM owners ORDER BY seen_at`,
    )
    .all<Owner>()
}
