/** Interrupts that were asked for from elsewhere, in a column of their unit: lists, since several may be on their way. */
import type { Clock } from '../core/clock.js'
import { withAnswer, withRequest } from './interrupt-lists.js'
import type { Hold, InterruptAnswer, InterruptRequest, Select, UnitRecord } from './shapes.js'
import type { Sqlite } from './sqlite-driver.js'
import type { UnitRows } from './sqlite-unit-rows.js'

export interface SqliteInterrupts {
  /** Live units of `select` get the request; returns them. */
  ask(select: Select, request: Omit<InterruptRequest, 'unitId' | 'at'>): UnitRecord[]
  /** It waits no more, and how it went is kept. */
  answer(hold: Hold, report: InterruptAnswer): void
  /** What waits for an answer of this owner. */
  ofOwner(ownerId: string): InterruptRequest[]
}

export function createSqliteInterrupts(db: Sqlite, clock: Clock, rows: UnitRows): SqliteInterrupts {
  return {
    ask(select, request) {
      const asked = rows.list(select, true, { limit: Number.MAX_SAFE_INTEGER })
      return asked.map((unit) => {
        const { interrupts } = withRequest(unit, { ...request, unitId: unit.id, at: clock.now() })
        db.sql('UPDATE units SET interrupt = :interrupts WHERE id = :id').run({
          interrupts: JSON.stringify(interrupts),
          id: unit.id,
        })
        return { ...unit, interrupts }
      })
    },
    answer({ id, fence }, report) {
      const unit = rows.get(id)
      if (unit?.fence !== fence) return
      const { interrupts, interruptReports } = withAnswer(unit, report)
      db.sql('UPDATE units SET interrupt = :waiting, interrupt_report = :reports WHERE id = :id').run({
        waiting: interrupts.length === 0 ? null : JSON.stringify(interrupts),
        reports: JSON.stringify(interruptReports),
        id,
      })
    },
    ofOwner: (ownerId) =>
      db
        .sql(
          'SELECT interrupt FROM units WHERE owner = :ownerId AND ended_at IS NULL AND interrupt IS NOT NULL ORDER BY n',
        )
        .all<{ readonly interrupt: string }>({ ownerId })
        .flatMap(({ interrupt }) => JSON.parse(interrupt) as InterruptRequest[]),
  }
}
