/** Units of the SQLite ledger: admission, what becomes known of them, and their end. Each step runs inside a write. */
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { JsonObject } from '../core/json.js'
import type {
  Admission,
  Charge,
  ChildRecord,
  Hold,
  InterruptRequest,
  Key,
  Page,
  Select,
  Settled,
  Settlement,
  UnitDraft,
  UnitPatch,
  UnitRecord,
} from './ledger.js'
import type { Sqlite } from './sqlite-driver.js'
import type { SqliteOutbox } from './sqlite-outbox.js'
import { whereOf } from './sqlite-select.js'
import type { SqliteSlots } from './sqlite-slots.js'

export interface SqliteUnits {
  /** What can be said without writing: a known key, or that the counter is full. Null: it may be admitted. */
  answer(draft: UnitDraft, charges: readonly Charge[], key?: Key): Admission | null
  admit(ownerId: string, draft: UnitDraft, charges: readonly Charge[], key?: Key): Admission
  withdraw(hold: Hold): boolean
  record(hold: Hold, patch: UnitPatch): boolean
  settle(hold: Hold, end: Settlement): Settled
  freeSlot(hold: Hold): void
  takeOver(deadOwnerId: string, byOwnerId: string): { hold: Hold; unit: UnitRecord }[]
  askToStop(select: Select, request: Omit<InterruptRequest, 'unitId' | 'at'>): UnitRecord[]
  interruptsOf(ownerId: string): InterruptRequest[]
  get(id: string): UnitRecord | null
  list(select: Select, live: boolean | null, page: Page): UnitRecord[]
}

interface UnitRow {
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

interface WritableRow {
  readonly slot_key: string
  readonly dispatched_by: string
  readonly child_count: number
  readonly pulled: number
}

const columns =
  'id, slot_key, owner, fence, state, cause, slot_held, admitted_at, ended_at, interrupt, interrupt_report, late, draft'
/** What came after a unit's end is kept for a reader, not for ever. */
const lateLimit = 20
const unstarted: ChildRecord = { state: 'waiting', result: null, checkpoint: null }
const byId = 'id IN ?'

export function createSqliteUnits(
  db: Sqlite,
  clock: Clock,
  slots: SqliteSlots,
  outbox: SqliteOutbox,
): SqliteUnits {
  const rowOf = (id: string): UnitRow | undefined =>
    db.sql(`SELECT ${columns} FROM units WHERE id = :id`).get<UnitRow>({ id })

  /** The unit that `hold` may write, or undefined: gone, ended, or taken over since. */
  const writable = ({ id, fence }: Hold) =>
    db
      .sql(
        'SELECT slot_key, dispatched_by, child_count, pulled FROM units WHERE id = :id AND fence = :fence AND ended_at IS NULL',
      )
      .get<WritableRow>({ id, fence })

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
      interrupt: parsed<InterruptRequest>(row.interrupt),
      interruptReport: parsed<NonNullable<UnitRecord['interruptReport']>>(row.interrupt_report),
      late: parsed<readonly UnitPatch[]>(row.late) ?? [],
    }
  }

  function childrenOf(unit: string, count: number): readonly ChildRecord[] {
    const children = new Array<ChildRecord>(count).fill(unstarted)
    const rows = db
      .sql('SELECT number, state, result, checkpoint FROM children WHERE unit = :unit')
      .all<{ number: number; state: string; result: string | null; checkpoint: string | null }>({ unit })
    for (const { number, state, result, checkpoint } of rows) {
      children[number] = { state, result: parsed<JsonObject>(result), checkpoint: parsed(checkpoint) }
    }
    return children
  }

  function answer(draft: UnitDraft, charges: readonly Charge[], key?: Key): Admission | null {
    const known =
      key &&
      db
        .sql('SELECT fingerprint, unit FROM keys WHERE key = :key AND until > :now')
        .get<{ readonly fingerprint: string; readonly unit: string }>({ key: key.key, now: clock.now() })
    if (known !== undefined) {
      return { status: known.fingerprint === key?.fingerprint ? 'existing' : 'key_reused', id: known.unit }
    }
    const full = slots.isHeld(draft.slotKey) ? undefined : slots.firstFull(charges)
    if (full === undefined) return null
    const { counter, limit } = full
    return {
      status: 'refused',
      counter,
      limit,
      inUse: slots.inUse(counter),
      holders: slots.holdersOf(counter),
    }
  }

  function insert(ownerId: string, draft: UnitDraft): void {
    const { id, slotKey, goal, childCount, delivery } = draft
    const { sessionKey, parentSessionId, originUiSessionId } = draft.route
    db.sql(
      `INSERT INTO units (id, slot_key, session_key, parent_session_id, origin_ui_session_id, dispatched_by, owner,
         fence, state, slot_held, admitted_at, child_count, pulled, goal, draft)
       VALUES (:id, :slotKey, :sessionKey, :parentSessionId, :originUiSessionId, :ownerId, :ownerId,
         1, 'running', 1, :now, :childCount, :pulled, :goal, :draft)`,
    ).run({
      id,
      slotKey,
      sessionKey,
      parentSessionId,
      originUiSessionId,
      ownerId,
      now: clock.now(),
      childCount,
      pulled: delivery === 'collect' ? 1 : 0,
      goal,
      draft: JSON.stringify(draft),
    })
  }

  function admit(ownerId: string, draft: UnitDraft, charges: readonly Charge[], key?: Key): Admission {
    const answered = answer(draft, charges, key)
    if (answered !== null) return answered
    if (rowOf(draft.id) !== undefined || outbox.has(draft.id)) {
      throw new DelegationError('LEDGER_DUPLICATE', { id: draft.id })
    }
    slots.occupy(draft.slotKey, charges)
    insert(ownerId, draft)
    if (key !== undefined) {
      db.sql(
        'INSERT OR REPLACE INTO keys (key, fingerprint, unit, until) VALUES (:key, :fingerprint, :unit, :until)',
      ).run({
        key: key.key,
        fingerprint: key.fingerprint,
        unit: draft.id,
        until: clock.now() + key.keepSeconds,
      })
    }
    return { status: 'admitted', hold: { id: draft.id, fence: 1 } }
  }

  function keepLate(id: string, patch: UnitPatch): void {
    db.sql(
      `UPDATE units SET late = json_insert(coalesce(late, '[]'), '$[#]', json(:patch))
       WHERE id = :id AND json_array_length(coalesce(late, '[]')) < :lateLimit`,
    ).run({ id, patch: JSON.stringify(patch), lateLimit })
  }

  function record(hold: Hold, patch: UnitPatch): boolean {
    const unit = writable(hold)
    if (unit === undefined) {
      keepLate(hold.id, patch)
      return false
    }
    const { phase, child, interruptReport } = patch
    if (phase !== undefined)
      db.sql('UPDATE units SET state = :phase WHERE id = :id').run({ phase, id: hold.id })
    if (interruptReport !== undefined) {
      db.sql('UPDATE units SET interrupt_report = :report WHERE id = :id').run({
        report: JSON.stringify(interruptReport),
        id: hold.id,
      })
    }
    if (child !== undefined && child.index < unit.child_count) recordChild(hold.id, child)
    return true
  }

  /** A child's first result stays (P5). */
  function recordChild(unit: string, child: NonNullable<UnitPatch['child']>): void {
    const { index, state, result, checkpoint } = child
    db.sql(
      `INSERT INTO children (unit, number, state, result, checkpoint) VALUES (:unit, :index, :state, :result, :checkpoint)
       ON CONFLICT DO UPDATE SET
         state = CASE WHEN result IS NULL THEN excluded.state ELSE state END,
         result = coalesce(result, excluded.result), checkpoint = coalesce(excluded.checkpoint, checkpoint)`,
    ).run({ unit, index, state, result: textOf(result), checkpoint: textOf(checkpoint) })
  }

  function settle(hold: Hold, end: Settlement): Settled {
    const unit = writable(hold)
    if (unit === undefined) return { won: false, state: rowOf(hold.id)?.state ?? 'unknown' }
    const event = outbox.add(end.event, unit.dispatched_by, unit.pulled === 1)
    const slotHeld = end.slot === 'kept' ? 1 : 0
    db.sql(
      'UPDATE units SET state = :state, cause = :cause, ended_at = :now, slot_held = :slotHeld WHERE id = :id',
    ).run({ state: end.state, cause: end.cause, now: clock.now(), slotHeld, id: hold.id })
    if (end.slot === 'freed') slots.release(unit.slot_key)
    const claim =
      end.claimedBy === undefined
        ? null
        : outbox.lease(event, end.claimedBy.consumer, end.claimedBy.leaseSeconds)
    return { won: true, event, claim }
  }

  function freeSlot({ id, fence }: Hold): void {
    const row = db
      .sql(
        'UPDATE units SET slot_held = 0 WHERE id = :id AND fence = :fence AND slot_held = 1 RETURNING slot_key',
      )
      .get<{ readonly slot_key: string }>({ id, fence })
    if (row !== undefined) slots.release(row.slot_key)
  }

  function withdraw(hold: Hold): boolean {
    const unit = writable(hold)
    if (unit === undefined) return false
    db.sql('DELETE FROM units WHERE id = :id').run({ id: hold.id })
    db.sql('DELETE FROM children WHERE unit = :id').run({ id: hold.id })
    db.sql('DELETE FROM keys WHERE unit = :id').run({ id: hold.id })
    slots.release(unit.slot_key)
    return true
  }

  function takeOver(deadOwnerId: string, byOwnerId: string): { hold: Hold; unit: UnitRecord }[] {
    const kept = db
      .sql(
        `UPDATE units SET slot_held = 0 WHERE owner = :deadOwnerId AND slot_held = 1 AND ended_at IS NOT NULL
         RETURNING slot_key`,
      )
      .all<{ readonly slot_key: string }>({ deadOwnerId })
    for (const { slot_key } of kept) slots.release(slot_key)
    const taken = db
      .sql(
        `UPDATE units SET owner = :byOwnerId, fence = fence + 1 WHERE owner = :deadOwnerId AND ended_at IS NULL RETURNING ${columns}`,
      )
      .all<UnitRow>({ deadOwnerId, byOwnerId })
    return taken.map((row) => ({ hold: { id: row.id, fence: row.fence }, unit: recordOf(row) }))
  }

  function list(select: Select, live: boolean | null, { limit }: Page): UnitRecord[] {
    const { sql, values } = whereOf(select, byId)
    const state = live === null ? '' : `AND ended_at IS ${live ? '' : 'NOT '}NULL`
    return db
      .sql(`SELECT ${columns} FROM units WHERE ${sql} ${state} ORDER BY n DESC LIMIT ${Math.floor(limit)}`)
      .all<UnitRow>(values)
      .map(recordOf)
  }

  return {
    answer,
    admit,
    withdraw,
    record,
    settle,
    freeSlot,
    takeOver,
    list,
    askToStop(select, request) {
      const asked = list(select, true, { limit: Number.MAX_SAFE_INTEGER })
      return asked.map((unit) => {
        const interrupt: InterruptRequest = { ...request, unitId: unit.id, at: clock.now() }
        db.sql('UPDATE units SET interrupt = :interrupt WHERE id = :id').run({
          interrupt: JSON.stringify(interrupt),
          id: unit.id,
        })
        return { ...unit, interrupt }
      })
    },
    interruptsOf: (ownerId) =>
      db
        .sql(
          'SELECT interrupt FROM units WHERE owner = :ownerId AND ended_at IS NULL AND interrupt IS NOT NULL ORDER BY n',
        )
        .all<{ readonly interrupt: string }>({ ownerId })
        .map(({ interrupt }) => JSON.parse(interrupt) as InterruptRequest),
    get(id) {
      const row = rowOf(id)
      return row === undefined ? null : recordOf(row)
    },
  }
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value)
}

function parsed<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T)
}
