/** Units of the SQLite ledger: admission, what becomes known of them, and their end. Each step runs inside a write. */
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import { failPoint } from '../core/fail-point.js'
import type {
  Admission,
  Charge,
  Hold,
  InterruptRequest,
  Key,
  Page,
  Select,
  Settled,
  Settlement,
  TakenUnit,
  UnitDraft,
  UnitPatch,
  UnitRecord,
} from './shapes.js'
import type { Sqlite } from './sqlite-driver.js'
import { createSqliteInterrupts } from './sqlite-interrupts.js'
import type { SqliteOutbox } from './sqlite-outbox.js'
import { createUnitRows, unitColumns, type FoundUnit, type UnitRow } from './sqlite-unit-rows.js'
import { isBudget } from './budget-rules.js'
import type { SqliteBudgets } from './sqlite-budgets.js'
import type { SqliteUsages } from './sqlite-usages.js'
import type { SqliteSlots } from './sqlite-slots.js'

export interface SqliteUnits {
  /** What can be said without writing: a known key, or that the counter is full. Null: it may be admitted. */
  answer(draft: UnitDraft, charges: readonly Charge[], key?: Key): Admission | null
  admit(
    ownerId: string,
    draft: UnitDraft,
    charges: readonly Charge[],
    key?: Key,
    joining?: readonly UnitDraft[],
  ): Admission
  withdraw(hold: Hold): boolean
  record(hold: Hold, patch: UnitPatch): boolean
  settle(hold: Hold, end: Settlement): Settled
  freeSlot(hold: Hold): void
  takeOver(deadOwnerId: string, byOwnerId: string, which: 'all' | 'unknown'): TakenUnit[]
  /** True: units of this owner are live, or hold a slot. */
  isOwning(ownerId: string): boolean
  askToStop(select: Select, request: Omit<InterruptRequest, 'unitId' | 'at'>): UnitRecord[]
  interruptsOf(ownerId: string): InterruptRequest[]
  get(id: string): UnitRecord | null
  find(id: string): FoundUnit | null
  list(select: Select, live: boolean | null, page: Page): UnitRecord[]
}

interface WritableRow {
  readonly slot_key: string
  readonly session_key: string
  readonly dispatched_by: string
  readonly child_count: number
  readonly pulled: number
}

/** How `delivery` is kept. */
const pulledCodes = { claim: 0, collect: 1, none: 2 } as const
/** What came after a unit's end is kept for a reader, not for ever. */
const lateLimit = 20

export function createSqliteUnits(
  db: Sqlite,
  clock: Clock,
  slots: SqliteSlots,
  budgets: SqliteBudgets,
  usages: SqliteUsages,
  outbox: SqliteOutbox,
): SqliteUnits {
  const rows = createUnitRows(db)
  const interrupts = createSqliteInterrupts(db, clock, rows)

  /** The unit that `hold` may write, or undefined: gone, ended, or taken over since. */
  const writable = ({ id, fence }: Hold) =>
    db
      .sql(
        'SELECT slot_key, session_key, dispatched_by, child_count, pulled FROM units WHERE id = :id AND fence = :fence AND ended_at IS NULL',
      )
      .get<WritableRow>({ id, fence })

  const isKnown = (id: string): boolean =>
    db.sql('SELECT 1 FROM units WHERE id = :id').get({ id }) !== undefined

  const isFull = (charge: Charge): boolean => !(isBudget(charge) ? budgets : slots).fits(charge)

  const isJoining = ({ id, slotKey }: UnitDraft): boolean => slotKey !== id && slots.isHeld(slotKey)

  function answer(draft: UnitDraft, charges: readonly Charge[], key?: Key): Admission | null {
    const known =
      key &&
      db
        .sql('SELECT fingerprint, unit FROM keys WHERE key = :key AND until > :now')
        .get<{ readonly fingerprint: string; readonly unit: string }>({ key: key.key, now: clock.now() })
    if (known !== undefined) {
      return { status: known.fingerprint === key?.fingerprint ? 'existing' : 'key_reused', id: known.unit }
    }
    let full = charges.find(isFull)
    // Who joins a held slot pays none (P2); a slot of one's own is held by nobody before.
    if (full !== undefined && isJoining(draft)) full = charges.filter(isBudget).find(isFull)
    if (full === undefined) return null
    const { counter, limit } = full
    const kind = isBudget(full) ? budgets : slots
    return {
      status: 'refused',
      counter,
      limit,
      inUse: kind.inUse(counter),
      holders: kind.holdersOf(counter),
      ...(isBudget(full) && { spent: budgets.spent(counter) }),
    }
  }

  function insert(ownerId: string, draft: UnitDraft): void {
    const { id, slotKey, goal, childCount, delivery, onOwnerDeath, parentId } = draft
    const { sessionKey, parentSessionId, originUiSessionId } = draft.route
    db.sql(
      `INSERT INTO units (id, slot_key, session_key, parent_session_id, origin_ui_session_id, dispatched_by, owner,
         fence, state, slot_held, admitted_at, child_count, pulled, on_owner_death, goal, parent_id, draft)
       VALUES (:id, :slotKey, :sessionKey, :parentSessionId, :originUiSessionId, :ownerId, :ownerId,
         1, 'running', 1, :now, :childCount, :pulled, :onOwnerDeath, :goal, :parentId, :draft)`,
    ).run({
      id,
      slotKey,
      sessionKey,
      parentSessionId,
      originUiSessionId,
      ownerId,
      now: clock.now(),
      childCount,
      pulled: pulledCodes[delivery],
      onOwnerDeath,
      goal,
      parentId,
      draft: JSON.stringify(draft),
    })
  }

  function assertNew({ id }: UnitDraft): void {
    if (isKnown(id) || outbox.has(id)) throw new DelegationError('LEDGER_DUPLICATE', { id })
  }

  function admit(
    ownerId: string,
    draft: UnitDraft,
    charges: readonly Charge[],
    key?: Key,
    joining: readonly UnitDraft[] = [],
  ): Admission {
    const answered = answer(draft, charges, key)
    if (answered !== null) return answered
    assertNew(draft)
    joining.forEach(assertNew)
    if (!isJoining(draft))
      slots.occupy(
        draft.slotKey,
        charges.filter((charge) => !isBudget(charge)),
      )
    const spent = budgets.charge(draft, charges)
    failPoint('admit:charged')
    insert(ownerId, draft)
    failPoint('admit:inserted')
    for (const other of joining) insert(ownerId, other)
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
    return { status: 'admitted', hold: { id: draft.id, fence: 1 }, ...(spent.length > 0 && { spent }) }
  }

  function keepLate(id: string, patch: UnitPatch): void {
    db.sql(
      `UPDATE units SET late = json_insert(coalesce(late, '[]'), '$[#]', json(:patch))
       WHERE id = :id AND json_array_length(coalesce(late, '[]')) < :lateLimit`,
    ).run({ id, patch: JSON.stringify(patch), lateLimit })
  }

  function record(hold: Hold, patch: UnitPatch): boolean {
    const { phase, child, interruptReport } = patch
    if (interruptReport !== undefined) interrupts.answer(hold, interruptReport)
    const unit = writable(hold)
    if (unit === undefined || isSecondResult(hold.id, child)) {
      if (child !== undefined) keepLate(hold.id, patch)
      return false
    }
    if (phase !== undefined)
      db.sql('UPDATE units SET state = :phase WHERE id = :id').run({ phase, id: hold.id })
    if (child !== undefined && child.index < unit.child_count) recordChild(hold.id, child)
    return true
  }

  function isSecondResult(unit: string, child: UnitPatch['child']): boolean {
    if (child?.result === undefined) return false
    const first = db
      .sql('SELECT 1 FROM children WHERE unit = :unit AND number = :number AND result IS NOT NULL')
      .get({ unit, number: child.index })
    return first !== undefined
  }

  /** A child's first result stays (P5). */
  function recordChild(unit: string, child: NonNullable<UnitPatch['child']>): void {
    const { index, state, result, checkpoint, question } = child
    db.sql(
      `INSERT INTO children (unit, number, state, result, checkpoint) VALUES (:unit, :index, :state, :result, :checkpoint)
       ON CONFLICT DO UPDATE SET
         state = CASE WHEN result IS NULL THEN excluded.state ELSE state END,
         result = coalesce(result, excluded.result), checkpoint = coalesce(excluded.checkpoint, checkpoint)`,
    ).run({ unit, index, state, result: textOf(result), checkpoint: textOf(checkpoint) })
    if (question === undefined) return
    db.sql('UPDATE children SET question = :question WHERE unit = :unit AND number = :index').run({
      unit,
      index,
      question: textOf(question),
    })
  }

  function settle(hold: Hold, end: Settlement): Settled {
    const unit = writable(hold)
    if (unit === undefined) return { won: false, state: rows.get(hold.id)?.state ?? 'unknown' }
    const isTold = unit.pulled !== pulledCodes.none
    const event = isTold
      ? outbox.add(end.event, unit.dispatched_by, unit.pulled === pulledCodes.collect)
      : end.event
    failPoint('settle:delivery-added')
    // An end that was kept aside may come after its slot was given back: then there is none to be kept any more.
    const slotKept = end.slot === 'kept' ? 1 : 0
    db.sql(
      `UPDATE units SET state = :state, cause = :cause, ended_at = :now, slot_held = min(slot_held, :slotKept)
       WHERE id = :id`,
    ).run({ state: end.state, cause: end.cause, now: clock.now(), slotKept, id: hold.id })
    if (end.slot === 'freed') slots.release(unit.slot_key)
    const { slot_key: slotKey } = unit
    const spent = budgets.settle({ id: hold.id, slotKey }, end.actual, () => !slots.hasLiveUnit(slotKey))
    usages.add(hold.id, unit, end.usage)
    failPoint('settle:ended')
    const claim =
      end.claimedBy === undefined || !isTold
        ? null
        : outbox.lease(event, end.claimedBy.consumer, end.claimedBy.leaseSeconds)
    return { won: true, event, claim, ...(spent.length > 0 && { spent }) }
  }

  function freeSlot({ id, fence }: Hold): void {
    const row = db
      .sql(
        'UPDATE units SET slot_held = 0 WHERE id = :id AND fence = :fence AND slot_held = 1 RETURNING slot_key',
      )
      .get<{ readonly slot_key: string }>({ id, fence })
    if (row !== undefined) slots.release(row.slot_key)
    failPoint('slot:freed')
  }

  function withdraw(hold: Hold): boolean {
    const unit = writable(hold)
    if (unit === undefined) return false
    db.sql('DELETE FROM units WHERE id = :id').run({ id: hold.id })
    db.sql('DELETE FROM children WHERE unit = :id').run({ id: hold.id })
    db.sql('DELETE FROM keys WHERE unit = :id').run({ id: hold.id })
    slots.release(unit.slot_key)
    budgets.withdraw({ id: hold.id, slotKey: unit.slot_key })
    return true
  }

  function takeOver(deadOwnerId: string, byOwnerId: string, which: 'all' | 'unknown'): TakenUnit[] {
    const kept = db
      .sql(
        `UPDATE units SET slot_held = 0 WHERE owner = :deadOwnerId AND slot_held = 1 AND ended_at IS NOT NULL
         RETURNING slot_key`,
      )
      .all<{ readonly slot_key: string }>({ deadOwnerId })
    for (const { slot_key } of kept) slots.release(slot_key)
    failPoint('take-over:slots-freed')
    const taken = db
      .sql(
        `UPDATE units SET owner = :byOwnerId, fence = fence + 1
         WHERE owner = :deadOwnerId AND ended_at IS NULL AND (:which = 'all' OR on_owner_death = :which)
         RETURNING ${unitColumns}`,
      )
      .all<UnitRow>({ deadOwnerId, byOwnerId, which })
    failPoint('take-over:moved')
    return rows.recordsOf(taken).map((unit) => ({ hold: { id: unit.id, fence: unit.fence }, unit }))
  }

  return {
    answer,
    admit,
    withdraw,
    record,
    settle,
    freeSlot,
    takeOver,
    get: rows.get,
    find: rows.find,
    list: rows.list,
    isOwning: (ownerId) =>
      db
        .sql('SELECT 1 FROM units WHERE owner = :ownerId AND (ended_at IS NULL OR slot_held = 1) LIMIT 1')
        .get({ ownerId }) !== undefined,
    askToStop: interrupts.ask,
    interruptsOf: interrupts.ofOwner,
  }
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value)
}
