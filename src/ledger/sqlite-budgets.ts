/** Counters of what is used up, in the database: what live units have reserved of each, and what is spent. */
import { isBudget, spentOf } from './budget-rules.js'
import type { Budgets } from './memory-budgets.js'
import type { Charge, SlotHolderRecord, Spent } from './shapes.js'
import type { Sqlite } from './sqlite-driver.js'

export interface SqliteBudgets extends Omit<Budgets, 'unitsOf'> {
  /** Units that have a part of it reserved, oldest first. */
  holdersOf(counter: string): SlotHolderRecord[]
}

interface Total {
  readonly reserved: number
  readonly spent: number
}

interface ReservationRow {
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

  const take = (unit: string): ReservationRow[] =>
    db
      .sql('DELETE FROM reservations WHERE unit = :unit RETURNING counter, amount, at_settle')
      .all<ReservationRow>({ unit })

  function chargeOne(unit: string, { counter, amount, atSettle = 'release' }: Charge): Spent[] {
    db.sql(
      'INSERT INTO reservations (unit, counter, amount, at_settle) VALUES (:unit, :counter, :amount, :atSettle)',
    ).run({ unit, counter, amount, atSettle })
    if (atSettle === 'keep') return [move(counter, 0, amount)]
    move(counter, amount, 0)
    return []
  }

  return {
    inUse,
    spent: (counter) => totalOf(counter).spent,
    fits: ({ counter, amount, limit }) => inUse(counter) + amount <= limit,
    charge: (unit, charges) => charges.filter(isBudget).flatMap((charge) => chargeOne(unit, charge)),
    settle: (unit, actual) =>
      take(unit)
        .filter(({ at_settle }) => at_settle === 'actual')
        .map(({ counter, amount }) => move(counter, -amount, spentOf(counter, amount, actual))),
    withdraw(unit) {
      for (const { counter, amount, at_settle } of take(unit)) {
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
