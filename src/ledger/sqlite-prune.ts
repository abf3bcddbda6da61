import { usageKeepSeconds } from './budget-rules.js'
import { letterSeconds } from './mail.js'
import type { Sqlite } from './sqlite-driver.js'

/** Bounds how long one step holds the loop, and the file. */
const rowsPerStep = 100
/** Between two steps, ms: others write meanwhile. */
const pauseMs = 2

/** Step by step until nothing is left. Returns how many rows went. */
export async function pruneAll(step: () => Promise<number>): Promise<number> {
  for (let total = 0; ;) {
    const gone = await step()
    total += gone
    if (gone === 0) return total
    // Nobody waits for it: it must not keep the process (R5).
    await new Promise<void>((resolve) => void setTimeout(resolve, pauseMs).unref())
  }
}

/**
 * One step of it: deletes what was resolved, and ended, longer ago than retention keeps it. Never what is pending, claimed or dead, and
 * never a key before its time. Returns how many rows went.
 */
export function pruneOnce(db: Sqlite, now: number, retentionSeconds: number): number {
  const values = { before: now - retentionSeconds }
  const deliveries = db
    .sql(
      `DELETE FROM deliveries WHERE seq IN (
         SELECT seq FROM deliveries WHERE resolved_at < :before AND resolved_at IS NOT NULL
         ORDER BY resolved_at LIMIT ${rowsPerStep})`,
    )
    .run(values)
  const units = db
    .sql(
      `DELETE FROM units WHERE id IN (
         SELECT id FROM units WHERE ended_at < :before AND ended_at IS NOT NULL AND slot_held = 0
           AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = units.id)
           AND NOT EXISTS (
             SELECT 1 FROM deliveries WHERE delegation_id = units.id AND delegation_id <> event_id)
         ORDER BY ended_at LIMIT ${rowsPerStep}) RETURNING id`,
    )
    .all<{ readonly id: string }>(values)
  for (const { id } of units) db.sql('DELETE FROM children WHERE unit = :id').run({ id })
  const keys = db
    .sql(`DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE until <= :now LIMIT ${rowsPerStep})`)
    .run({ now })
  const usages = db
    .sql(`DELETE FROM usages WHERE n IN (SELECT n FROM usages WHERE ended_at < :before LIMIT ${rowsPerStep})`)
    .run({ before: now - usageKeepSeconds })
  const letters = db
    .sql(
      `DELETE FROM letters WHERE n IN (SELECT n FROM letters WHERE sent_at < :before LIMIT ${rowsPerStep})`,
    )
    .run({ before: now - letterSeconds })
  return deliveries + units.length + keys + usages + letters
}
