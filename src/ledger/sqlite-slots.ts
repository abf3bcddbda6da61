/** Counters, and the slots that charge them, in the database: one slot is one charge, however many units share its key (P2). */
import type { Charge, SlotHolderRecord } from './shapes.js'
import type { Sqlite } from './sqlite-driver.js'

export interface SqliteSlots {
  isHeld(slotKey: string): boolean
  /** False once the last unit of a slot has ended, whether or not the slot was given back. */
  hasLiveUnit(slotKey: string): boolean
  /** Under the limit of this call (R14). */
  fits(charge: Charge): boolean
  /** Charges a slot that nobody holds yet. */
  occupy(slotKey: string, charges: readonly Charge[]): void
  /** The last unit of a slot gives its charges back. After its unit let go of it. */
  release(slotKey: string): void
  inUse(counter: string): number
  /** Units whose slots charge the counter, oldest first. */
  holdersOf(counter: string): SlotHolderRecord[]
}

export function createSqliteSlots(db: Sqlite): SqliteSlots {
  const isHeld = (slotKey: string): boolean =>
    db
      .sql(
        `SELECT 1 FROM units WHERE id = :slotKey AND slot_key = id AND slot_held = 1
         UNION ALL SELECT 1 FROM units WHERE slot_key = :slotKey AND slot_key <> id AND slot_held = 1 LIMIT 1`,
      )
      .get({ slotKey }) !== undefined

  const inUse = (counter: string): number =>
    db.sql('SELECT total FROM counters WHERE counter = :counter').get<{ readonly total: number }>({ counter })
      ?.total ?? 0

  return {
    isHeld,
    hasLiveUnit: (slotKey) =>
      db
        .sql(
          `SELECT 1 FROM units WHERE id = :slotKey AND slot_key = id AND ended_at IS NULL
           UNION ALL SELECT 1 FROM units
           WHERE slot_key = :slotKey AND slot_key <> id AND slot_held = 1 AND ended_at IS NULL LIMIT 1`,
        )
        .get({ slotKey }) !== undefined,
    inUse,
    fits: ({ counter, amount, limit }) => inUse(counter) + amount <= limit,
    occupy(slotKey, charges) {
      for (const { counter, amount } of charges) {
        db.sql('INSERT INTO charges (slot_key, counter, amount) VALUES (:slotKey, :counter, :amount)').run({
          slotKey,
          counter,
          amount,
        })
        db.sql(
          `INSERT INTO counters (counter, total) VALUES (:counter, :amount)
           ON CONFLICT DO UPDATE SET total = total + excluded.total`,
        ).run({ counter, amount })
      }
    },
    release(slotKey) {
      if (isHeld(slotKey)) return
      const charges = db
        .sql('DELETE FROM charges WHERE slot_key = :slotKey RETURNING counter, amount')
        .all<{ readonly counter: string; readonly amount: number }>({ slotKey })
      for (const { counter, amount } of charges) {
        const left = db
          .sql('UPDATE counters SET total = total - :amount WHERE counter = :counter RETURNING total')
          .get<{ readonly total: number }>({ counter, amount })
        if (left?.total === 0) db.sql('DELETE FROM counters WHERE counter = :counter').run({ counter })
      }
    },
    holdersOf: (counter) =>
      db
        .sql(
          `WITH held AS (
             SELECT units.* FROM charges JOIN units ON units.id = charges.slot_key
             WHERE charges.counter = :counter AND units.slot_held = 1 AND units.slot_key = units.id
             UNION ALL
             SELECT units.* FROM charges JOIN units ON units.slot_key = charges.slot_key
             WHERE charges.counter = :counter AND units.slot_held = 1 AND units.slot_key <> units.id)
           SELECT id, goal, owner, admitted_at AS admittedAt, parent_id AS parentId FROM held ORDER BY n`,
        )
        .all<SlotHolderRecord>({ counter }),
  }
}
