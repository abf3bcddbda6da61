/** Counters of what is used up, in the database: what live units have reserved of each, and what is spent. */
import { drawn, isBudget } from './budget-rules.js'
import type { Budgets } from './memory-budgets.js'
import type { Charge, SlotHolderRecord, Spent } from './shapes.js'
import type { Sqlite } from './sqlite-driver.js'

export interface SqliteBudgets extends Budgets {
  /** Units that have a part of it reserved, oldest first. */
  holdersOf(counter: string): SlotHolderRecord[]
}

interface Total {
  readonly reserved: number
  readonly spent: number
}

interface ReservationRow {
  readonly unit: string
  readonly counter: string
  readonly amount: number
  readonly at_settle: string
}

export function createSqliteBudgets(db: Sqlite): SqliteBudgets {
  const totalOf = (counter: string): Total =>
    db.sql('SELECT reserved, spent FROM budgets WHERE counter = :counter').get<Total>({ counter }) ?? {
      reserved: 0,
      spent: 0,
    }

  function inUse(counter: string): number {
    const { reserved, spent } = totalOf(counter)
    return reserved + spent
  }

  function move(counter: string, reserved: number, spent: number): Spent {
    const moved = db
      .sql(
        `INSERT INTO budgets (counter, reserved, spent) VALUES (:counter, :reserved, :spent)
         ON CONFLICT DO UPDATE SET reserved = reserved + excluded.reserved, spent = spent + excluded.spent
         RETURNING reserved, spent`,
      )
      .get<Total>({ counter, reserved, spent })
    const after = moved?.spent ?? 0
    if (after === 0 && moved?.reserved === 0)
      db.sql('DELETE FROM budgets WHERE counter = :counter').run({ counter })
    return { counter, before: after - spent, after }
  }

  function keep(slotKey: string, { unit, counter, amount, at_settle }: ReservationRow): void {
    db.sql(
      `INSERT INTO reservations (unit, counter, slot_key, amount, at_settle)
       VALUES (:unit, :counter, :slotKey, :amount, :at_settle)`,
    ).run({ unit, counter, slotKey, amount, at_settle })
  }

  function chargeOne(
    unit: string,
    slotKey: string,
    { counter, amount, atSettle = 'release' }: Charge,
  ): Spent[] {
    keep(slotKey, { unit, counter, amount, at_settle: atSettle })
    if (atSettle === 'keep') return [move(counter, 0, amount)]
    move(counter, amount, 0)
    return []
  }

  return {
    inUse,
    spent: (counter) => totalOf(counter).spent,
    fits: ({ counter, amount, limit }) => inUse(counter) + amount <= limit,
    charge: ({ id, slotKey }, charges) =>
      charges.filter(isBudget).flatMap((charge) => chargeOne(id, slotKey, charge)),
    settle({ id: unit, slotKey }, actual, isLast) {
      const rows = db
        .sql(
          `DELETE FROM reservations WHERE slot_key = :slotKey AND (at_settle = 'actual' OR unit = :unit)
           RETURNING unit, counter, amount, at_settle`,
        )
        .all<ReservationRow>({ slotKey, unit })
        .filter(({ at_settle }) => at_settle === 'actual')
      if (rows.length === 0) return []
      const { moves, left } = drawn(rows, actual, isLast())
      for (const row of left) keep(slotKey, { ...row, at_settle: 'actual' })
      return moves.map(({ counter, reserved, spent }) => move(counter, reserved, spent))
    },
    withdraw({ id: unit }) {
      const rows = db
        .sql('DELETE FROM reservations WHERE unit = :unit RETURNING unit, counter, amount, at_settle')
        .all<ReservationRow>({ unit })
      for (const { counter, amount, at_settle } of rows) {
        if (at_settle === 'keep') move(counter, 0, -amount)
        else move(counter, -amount, 0)
      }
    },
    holdersOf: (counter) =>
      db
        .sql(
          `SELECT units.id, units.goal, units.owner, units.admitted_at AS admittedAt
           FROM reservations JOIN units ON units.id = reservations.unit
           WHERE reservations.counter = :counter AND reservations.at_settle = 'actual' ORDER BY units.n`,
        )
        .all<SlotHolderRecord>({ counter }),
  }
}
