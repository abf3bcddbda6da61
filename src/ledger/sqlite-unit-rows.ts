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
} from './shapes.js'
import type { Sqlite, SqliteValue } from './sqlite-driver.js'
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
const childColumns = 'unit, number, state, result, checkpoint, question'
const unstarted: ChildRecord = { state: 'waiting', result: null, checkpoint: null }

interface ChildRow {
  readonly unit: string
  readonly number: number
  readonly state: string
  readonly result: string | null
  readonly checkpoint: string | null
  readonly question: string | null
}

/** A unit, and how long what is stored of it is. */
export interface FoundUnit {
  readonly unit: UnitRecord
  readonly characters: number
}

export interface UnitRows {
  recordsOf(rows: readonly UnitRow[]): UnitRecord[]
  find(id: string): FoundUnit | null
  get(id: string): UnitRecord | null
  /** Newest first. */
  list(select: Select, live: boolean | null, page: Page): UnitRecord[]
}

export function createUnitRows(db: Sqlite): UnitRows {
  /** One query for the children of all: a list may be long. */
  function recordsOf(rows: readonly UnitRow[]): UnitRecord[] {
    if (rows.length === 0) return []
    const ids = JSON.stringify(rows.map(({ id }) => id))
    const children = new Map<string, ChildRow[]>()
    for (const row of db
      .sql(`SELECT ${childColumns} FROM children WHERE unit IN (SELECT value FROM json_each(:ids))`)
      .all<ChildRow>({ ids })) {
      const siblings = children.get(row.unit)
      if (siblings === undefined) children.set(row.unit, [row])
      else siblings.push(row)
    }
    return rows.map((row) => recordOf(row, children.get(row.id) ?? []))
  }

  function find(id: string): FoundUnit | null {
    const row = db.sql(`SELECT ${unitColumns} FROM units WHERE id = :id`).get<UnitRow>({ id })
    if (row === undefined) return null
    const children = db.sql(`SELECT ${childColumns} FROM children WHERE unit = :id`).all<ChildRow>({ id })
    return { unit: recordOf(row, children), characters: lengthOf([row, ...children]) }
  }

  return {
    recordsOf,
    find,
    get: (id) => find(id)?.unit ?? null,
    list(select, live, { limit }) {
      const { sql, values } = whereOf(select, { ids: 'id IN ?', eventIds: 'id IN ?', parent: 'parent_id' })
      const state = live === null ? '' : `AND ended_at IS ${live ? '' : 'NOT '}NULL`
      // Without it all of the units would be read for the few that are live.
      const index = live === true && 'all' in select ? 'INDEXED BY units_running' : ''
      const rows = db
        .sql(`SELECT ${unitColumns} FROM units ${index} WHERE ${sql} ${state} ORDER BY n DESC LIMIT :limit`)
        .all<UnitRow>({ ...values, limit })
      return recordsOf(rows)
    },
  }
}

function recordOf(row: UnitRow, known: readonly ChildRow[]): UnitRecord {
  const draft = JSON.parse(row.draft) as UnitDraft
  const children = new Array<ChildRecord>(draft.childCount).fill(unstarted)
  for (const { number, state, result, checkpoint, question } of known) {
    children[number] = {
      state,
      result: parsed(result) as JsonObject | null,
      checkpoint: parsed(checkpoint) as Json,
      ...(question !== null && result === null && { question: parsed(question) as JsonObject }),
    }
  }
  return {
    ...draft,
    owner: row.owner,
    fence: row.fence,
    state: row.state,
    cause: row.cause,
    slotHeld: row.slot_held === 1,
    admittedAt: row.admitted_at,
    endedAt: row.ended_at,
    children,
    interrupts: (parsed(row.interrupt) as readonly InterruptRequest[] | null) ?? [],
    interruptReports: (parsed(row.interrupt_report) as readonly InterruptAnswer[] | null) ?? [],
    late: (parsed(row.late) as readonly UnitPatch[] | null) ?? [],
  }
}

function lengthOf(rows: readonly (UnitRow | ChildRow)[]): number {
  const values = rows.flatMap((row) => Object.values(row) as readonly SqliteValue[])
  return values.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0)
}

function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text)
}
