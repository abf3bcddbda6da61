/** Rows of units as anyone may read them. */
import type { Json, JsonObject } from '../core/json.js'
import type {
  ChildRecord,
  InterruptAnswer,
  InterruptRequest,
  Page,
  Select,
  UnitDraft,
  UnitPatch,
  UnitRecord,
} from './ledger.js'
import type { Sqlite } from './sqlite-driver.js'
import { whereOf } from './sqlite-select.js'

export interface UnitRow {
  readonly id: string
  readonly slot_key: string
  readonly owner: string
  readonly fence: number
  readonly state: string
  readonly cause: string | null
  readonly slot_held: number
  readonly admitted_at: number
  readonly ended_at: number | null
  readonly interrupt: string | null
  readonly interrupt_report: string | null
  readonly late: string | null
  readonly draft: string
}

export const unitColumns =
  'id, slot_key, owner, fence, state, cause, slot_held, admitted_at, ended_at, interrupt, interrupt_report, late, draft'
const unstarted: ChildRecord = { state: 'waiting', result: null, checkpoint: null }

export interface UnitRows {
  recordOf(row: UnitRow): UnitRecord
  get(id: string): UnitRecord | null
  /** Newest first. */
  list(select: Select, live: boolean | null, page: Page): UnitRecord[]
}

export function createUnitRows(db: Sqlite): UnitRows {
  function recordOf(row: UnitRow): UnitRecord {
    const draft = JSON.parse(row.draft) as UnitDraft
    return {
      ...draft,
      owner: row.owner,
      fence: row.fence,
      state: row.state,
      cause: row.cause,
      slotHeld: row.slot_held === 1,
      admittedAt: row.admitted_at,
      endedAt: row.ended_at,
      children: childrenOf(row.id, draft.childCount),
      interrupt: parsed(row.interrupt) as InterruptRequest | null,
      interruptReport: parsed(row.interrupt_report) as InterruptAnswer | null,
      late: (parsed(row.late) as readonly UnitPatch[] | null) ?? [],
    }
  }

  function childrenOf(unit: string, count: number): readonly ChildRecord[] {
    const children = new Array<ChildRecord>(count).fill(unstarted)
    const rows = db
      .sql('SELECT number, state, result, checkpoint FROM children WHERE unit = :unit')
      .all<{ number: number; state: string; result: string | null; checkpoint: string | null }>({ unit })
    for (const { number, state, result, checkpoint } of rows) {
      children[number] = {
        state,
        result: parsed(result) as JsonObject | null,
        checkpoint: parsed(checkpoint) as Json,
      }
    }
    return children
  }

  return {
    recordOf,
    get(id) {
      const row = db.sql(`SELECT ${unitColumns} FROM units WHERE id = :id`).get<UnitRow>({ id })
      return row === undefined ? null : recordOf(row)
    },
    list(select, live, { limit }) {
      const { sql, values } = whereOf(select, 'id IN ?')
      const state = live === null ? '' : `AND ended_at IS ${live ? '' : 'NOT '}NULL`
      return db
        .sql(`SELECT ${unitColumns} FROM units WHERE ${sql} ${state} ORDER BY n DESC LIMIT :limit`)
        .all<UnitRow>({ ...values, limit })
        .map(recordOf)
    },
  }
}

function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text)
}
