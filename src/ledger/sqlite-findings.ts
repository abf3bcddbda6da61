/** What of a ledger's file, and of what is kept beside it, does not agree with the rest. Reads only. */
import type { Sqlite } from './sqlite-driver.js'
import { keptEnds } from './sqlite-spool.js'

/** One thing that is not as it should be. */
export interface FileFinding {
  /**
   * `unsettled`: an end of a unit that the ledger could not take yet. `unreadable`: such a file that holds none.
   * `miscounted`: a counter that is not the sum of its charges. `charged_for_none`: a charge of a slot that no unit
   * holds. `not_charged`: a unit that holds a slot and charges nothing.
   */
  readonly kind: 'unsettled' | 'unreadable' | 'miscounted' | 'charged_for_none' | 'not_charged'
  /** Of the unit, of the slot, the counter's name, or the file's. */
  readonly id: string
  readonly fact: string
  readonly todo: string
}

interface Inconsistency {
  readonly kind: 'miscounted' | 'charged_for_none' | 'not_charged'
  readonly id: string
  readonly told: number
  readonly found: number
}

const inconsistencies = `
  WITH sums AS (SELECT counter, sum(amount) AS total FROM charges GROUP BY counter),
       held AS (SELECT DISTINCT slot_key FROM units WHERE slot_held = 1),
       names AS (SELECT counter FROM counters UNION SELECT counter FROM sums)
  SELECT 'miscounted' AS kind, names.counter AS id, coalesce(counters.total, 0) AS told,
         coalesce(sums.total, 0) AS found
  FROM names LEFT JOIN counters ON counters.counter = names.counter LEFT JOIN sums ON sums.counter = names.counter
  WHERE coalesce(counters.total, 0) <> coalesce(sums.total, 0)
  UNION ALL
  SELECT 'charged_for_none', slot_key, sum(amount), 0 FROM charges
  WHERE slot_key NOT IN (SELECT slot_key FROM held) GROUP BY slot_key
  UNION ALL
  SELECT 'not_charged', slot_key, 0, 1 FROM held WHERE slot_key NOT IN (SELECT slot_key FROM charges)`

/** What is reserved, and by whom: units that live, alone or as the last ones of their slot. */
const budgetInconsistencies = `
  WITH reserved AS (SELECT * FROM reservations WHERE at_settle = 'actual'),
       sums AS (SELECT counter, sum(amount) AS total FROM reserved GROUP BY counter),
       names AS (SELECT counter FROM budgets UNION SELECT counter FROM sums),
       live AS (SELECT DISTINCT slot_key FROM units WHERE ended_at IS NULL)
  SELECT 'miscounted' AS kind, names.counter AS id, coalesce(budgets.reserved, 0) AS told,
         coalesce(sums.total, 0) AS found
  FROM names LEFT JOIN budgets ON budgets.counter = names.counter LEFT JOIN sums ON sums.counter = names.counter
  WHERE coalesce(budgets.reserved, 0) <> coalesce(sums.total, 0)
  UNION ALL
  SELECT 'charged_for_none', slot_key, sum(amount), 0 FROM reserved
  WHERE slot_key NOT IN (SELECT slot_key FROM live) GROUP BY slot_key`

/** Nothing but a fault of the program or another hand in the file makes one, so nothing mends it by itself. */
const mend = 'report it; once nothing runs (hermes-delegate list), moving the file away starts counting anew'

/** Of a file that has its tables. */
export function slotFindings(db: Sqlite): FileFinding[] {
  // A file that an older program wrote has no budgets.
  const hasBudgets = db.sql("SELECT 1 FROM sqlite_schema WHERE name = 'reservations'").get({}) !== undefined
  return [inconsistencies, ...(hasBudgets ? [budgetInconsistencies] : [])]
    .flatMap((query) => db.sql(query).all<Inconsistency>())
    .map(({ kind, id, told, found }) => ({ kind, id, fact: factOf(kind, told, found), todo: mend }))
}

function factOf(kind: Inconsistency['kind'], told: number, found: number): string {
  if (kind === 'miscounted') return `the counter says ${told}, its charges come to ${found}`
  if (kind === 'charged_for_none') return `the slot is charged ${told}, and no unit holds it`
  return 'the unit holds a slot, and no counter is charged for it'
}

export async function sideFileFindings(path: string): Promise<FileFinding[]> {
  return (await keptEnds(path)).map(({ file, id }) =>
    id === null
      ? {
          kind: 'unreadable',
          id: file,
          fact: 'a file for an end that the ledger could not take holds none that can be read',
          todo: 'look into it for what a subagent found, and move it away; the ledger passes over it',
        }
      : {
          kind: 'unsettled',
          id,
          fact: `its result waits in ${file} for the ledger to take it`,
          todo: 'see that the disk has room and that nothing locks the ledger; the next program that opens it records it',
        },
  )
}
