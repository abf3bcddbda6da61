/** Deliveries of the SQLite ledger. How each moves is `delivery-rules.ts`; what is written here runs inside a write. */
import { crc32 } from 'node:zlib'
import type { Clock, Instant } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import { failPoint } from '../core/fail-point.js'
import {
  afterTime,
  afterVerdict,
  atOnce,
  neverTooOld,
  type DeliveryRules,
  type DeliveryStanding,
} from './delivery-rules.js'
import type { Claim, Delivery, DeliveryState, Page, Select, Verdict, Waiting } from './shapes.js'
import { belongingOfEvent, pulls } from './select.js'
import type { Sqlite } from './sqlite-driver.js'
import { whereOf, type Where } from './sqlite-select.js'
import { asColumns, due, isDue, standingColumns, storedOf, type StandingRow } from './sqlite-standing.js'

export interface SqliteOutbox {
  /** Returns the event as stored, with its `seq`. `pulled`: only who asks by id gets it. @throws LEDGER_DUPLICATE */
  add(event: AsyncDelegationEvent, origin: string, pulled: boolean): AsyncDelegationEvent
  /** Claims an event that was added in this very step. */
  lease(event: AsyncDelegationEvent, consumer: string, leaseSeconds: number): Claim
  /** When the next of `select` can be claimed: now, later, or never (null). Writes nothing. */
  nextAt(select: Select): Instant | null
  claim(consumer: string, select: Select, limit: number, leaseSeconds: number): Claim[]
  waiting(): Waiting[]
  resolve(token: string, verdict: Verdict): boolean
  collect(eventId: string): boolean
  drop(eventId: string, reason: string): boolean
  reopen(eventId: string, to: 'pending' | 'dismissed'): boolean
  list(select: Select, states: readonly DeliveryState[], page: Page): Delivery[]
  /** A dead consumer's claims go back, costing no attempt. */
  freeClaimsOf(consumer: string): void
  has(eventId: string): boolean
}

/** What is handed out: it may be large, and is read for what is returned only. */
interface Body {
  readonly event: string
  /** Null: written by a program that kept none. */
  readonly event_crc: number | null
  /** 1 when who dispatched it has left: then the event is `restored`. */
  readonly is_left: number
}

const isOpen = 'is_open = 1'
/** Most events are the final ones of their units, and have their ids: the index holds the others. */
const byId = {
  ids: '(event_id IN ? OR (delegation_id IN ? AND delegation_id <> event_id))',
  eventIds: 'event_id IN ?',
  parent: null,
}
/** Rows that are looked at in one step, without their events. */
const pageRows = 200

export function createSqliteOutbox(
  db: Sqlite,
  {
    clock,
    random,
    rules,
  }: { readonly clock: Clock; readonly random: () => number; readonly rules: DeliveryRules },
): SqliteOutbox {
  const rowOf = (eventId: string): StandingRow | undefined =>
    db
      .sql(`SELECT ${standingColumns} FROM deliveries WHERE event_id = :eventId`)
      .get<StandingRow>({ eventId })

  /** What time alone has made of a row. */
  const standingOf = (row: StandingRow): DeliveryStanding => {
    const bornAt = row.pulled === 1 ? neverTooOld : row.born_at
    return afterTime(storedOf(row), bornAt, clock.now(), rules, random)
  }

  function move(row: StandingRow, to: DeliveryStanding): void {
    const isOver = to.state === 'delivered' || to.state === 'dropped' || to.state === 'dismissed'
    if (isOver && row.pulled === 1) {
      // It was there to be pulled, and was.
      db.sql('DELETE FROM deliveries WHERE seq = :seq').run({ seq: row.seq })
      return
    }
    db.sql(
      `UPDATE deliveries SET state = :state, attempts = :attempts, available_at = :available_at, reason = :reason,
         leased_until = :leased_until, resolved_at = :resolvedAt, is_open = :isOpen,
         claim = CASE :state WHEN 'claimed' THEN claim END,
         claimed_by = CASE :state WHEN 'claimed' THEN claimed_by END WHERE seq = :seq`,
    ).run({
      ...asColumns(to),
      seq: row.seq,
      resolvedAt: isOver ? clock.now() : null,
      isOpen: isOver || to.state === 'dead' ? 0 : 1,
    })
  }

  function leaseRow(row: StandingRow, consumer: string, leaseSeconds: number): Claim {
    const now = clock.now()
    const until = now + leaseSeconds
    // Unique without chance: a row counts its claims.
    const token = `${consumer}:${row.seq}:${row.claims + 1}`
    db.sql(
      `UPDATE deliveries SET state = 'claimed', claim = :token, claimed_by = :consumer, claims = claims + 1,
         leased_until = :until, available_at = :now WHERE seq = :seq`,
    ).run({ seq: row.seq, token, consumer, until, now })
    return { token, eventId: row.event_id, until, delivery: { ...deliveryOf(row), state: 'claimed' } }
  }

  /** Rows whose time has come, in `seq` order. Few are passed over, so a claim costs what it claims. */
  function* candidates(select: Select, limit: number, now: Instant): Generator<StandingRow> {
    const page = Math.min(limit, pageRows)
    const { sql, values } = openOf(select)
    let after = 0
    for (;;) {
      const rows = db
        .sql(
          `SELECT ${standingColumns} FROM deliveries WHERE ${sql} AND seq > :after AND ${isDue}
           ORDER BY seq LIMIT :page`,
        )
        .all<StandingRow>({ ...values, after, now, page })
      yield* rows
      if (rows.length < page) return
      after = rows.at(-1)?.seq ?? after
    }
  }

  function claim(consumer: string, select: Select, limit: number, leaseSeconds: number): Claim[] {
    const now = clock.now()
    const claims: Claim[] = []
    for (const row of candidates(select, limit, now)) {
      const standing = standingOf(row)
      const stored = storedOf(row)
      const isMoved =
        standing.state !== row.state || standing.attempts !== row.attempts || standing.since !== stored.since
      if (isMoved) move(row, standing)
      if (standing.state !== 'pending' || standing.availableAt > now) continue
      claims.push(leaseRow({ ...row, ...asColumns(standing) }, consumer, leaseSeconds))
      failPoint('claim:leased')
      if (claims.length >= limit) break
    }
    return claims
  }

  return {
    claim,
    add(event, origin, pulled) {
      const { id: delegationId, eventId = delegationId, ...belonging } = belongingOfEvent(event, origin)
      const { sessionKey, parentSessionId, originUiSessionId, dispatchedBy } = belonging
      const text = JSON.stringify(event)
      const stored = db
        .sql(
          `INSERT INTO deliveries (event_id, delegation_id, session_key, parent_session_id, origin_ui_session_id,
             dispatched_by, pulled, is_open, state, attempts, available_at, born_at, claims, event, event_crc)
           VALUES (:eventId, :delegationId, :sessionKey, :parentSessionId, :originUiSessionId, :dispatchedBy,
             :pulled, 1, 'pending', 0, :atOnce, :now, 0, :text, :crc) ON CONFLICT (event_id) DO NOTHING
           RETURNING seq`,
        )
        .get<{ readonly seq: number }>({
          eventId,
          delegationId,
          sessionKey,
          parentSessionId,
          originUiSessionId,
          dispatchedBy,
          pulled: pulled ? 1 : 0,
          now: clock.now(),
          atOnce,
          text,
          crc: crc32(text),
        })
      if (stored === undefined) throw new DelegationError('LEDGER_DUPLICATE', { id: eventId })
      return { ...event, seq: stored.seq }
    },
    lease(event, consumer, leaseSeconds) {
      const row = rowOf(event.event_id ?? event.delegation_id)
      if (row === undefined) throw new DelegationError('LEDGER_CORRUPT', { missing: event.event_id })
      return leaseRow(row, consumer, leaseSeconds)
    },
    nextAt(select) {
      const { sql, values } = openOf(select)
      // The first one that can be claimed now ends the search; all are looked at only when there is none.
      const now = db
        .sql(`SELECT min(${due}, :now) AS next FROM deliveries WHERE ${sql} AND ${isDue} LIMIT 1`)
        .get<{ readonly next: number }>({ ...values, now: clock.now() })
      if (now !== undefined) return now.next
      const later = db
        .sql(`SELECT min(${due}) AS next FROM deliveries WHERE ${sql}`)
        .get<{ readonly next: number | null }>(values)
      return later?.next ?? null
    },
    waiting: () =>
      db
        .sql(
          `SELECT session_key AS sessionKey, parent_session_id AS parentSessionId, dispatched_by AS dispatchedBy,
             min(${due}) AS dueAt, max(seq) AS lastSeq
           FROM deliveries WHERE ${isOpen} AND pulled = 0
           GROUP BY session_key, parent_session_id, dispatched_by`,
        )
        .all<Waiting>({}),
    resolve(token, verdict) {
      const row = db
        .sql(`SELECT ${standingColumns} FROM deliveries WHERE claim = :token`)
        .get<StandingRow>({ token })
      if (row === undefined) return false
      const standing = standingOf(row)
      const isOurs = standing.state === 'claimed'
      failPoint('verdict:before-move')
      move(row, isOurs ? afterVerdict(standing, verdict, clock.now(), rules, random) : standing)
      return isOurs
    },
    collect(eventId) {
      const row = rowOf(eventId)
      if (row === undefined) return false
      const standing = standingOf(row)
      if (standing.state === 'claimed') return false
      move(row, { ...standing, state: 'delivered', reason: null, leasedUntil: null, since: null })
      return true
    },
    drop(eventId, reason) {
      const row = rowOf(eventId)
      if (row === undefined) return false
      const standing = standingOf(row)
      if (standing.state !== 'pending') return false
      move(row, { ...standing, state: 'dropped', reason })
      return true
    },
    reopen(eventId, to) {
      const row = rowOf(eventId)
      if (row === undefined) return false
      const standing = standingOf(row)
      if (standing.state !== 'dead' && standing.state !== 'dropped') return false
      const now = clock.now()
      db.sql('UPDATE deliveries SET born_at = :now WHERE seq = :seq').run({ now, seq: row.seq })
      move(row, { ...standing, attempts: 0, availableAt: atOnce, leasedUntil: null, since: null, state: to })
      return true
    },
    list(select, states, { afterSeq = 0, limit }) {
      const { sql, values } = whereOf(select, byId)
      // Without the second term the index of the open ones serves, however many there are of the others.
      const isResolvedAskedFor = states.some((state) => state !== 'pending' && state !== 'claimed')
      const standing = isResolvedAskedFor
        ? `(${isOpen} OR state IN (SELECT value FROM json_each(:states)))`
        : isOpen
      const asked = isResolvedAskedFor ? { ...values, states: JSON.stringify(states) } : values
      const found: Delivery[] = []
      let after = afterSeq
      while (found.length < limit) {
        const rows = db
          .sql(
            `SELECT ${standingColumns} FROM deliveries WHERE ${sql} AND seq > :after AND ${standing}
             ORDER BY seq LIMIT ${pageRows}`,
          )
          .all<StandingRow>({ ...asked, after })
        const shown = rows.filter((row) => states.includes(standingOf(row).state))
        found.push(...shown.slice(0, limit - found.length).map(deliveryOf))
        if (rows.length < pageRows) break
        after = rows.at(-1)?.seq ?? after
      }
      return found
    },
    freeClaimsOf(consumer) {
      db.sql(
        `UPDATE deliveries SET state = 'pending', claim = NULL, claimed_by = NULL, leased_until = NULL,
           available_at = :atOnce WHERE claimed_by = :consumer`,
      ).run({ consumer, atOnce })
    },
    has: (eventId) =>
      db.sql('SELECT 1 FROM deliveries WHERE event_id = :eventId').get({ eventId }) !== undefined,
  }

  function deliveryOf(row: StandingRow): Delivery {
    const { seq, event_id: eventId, delegation_id: delegationId } = row
    const { state, attempts, availableAt, reason } = standingOf(row)
    const body = db
      .sql(
        `SELECT event, event_crc, dispatched_by NOT IN (SELECT id FROM owners) AS is_left FROM deliveries
         WHERE seq = :seq`,
      )
      .get<Body>({ seq })
    if (body === undefined) throw new DelegationError('LEDGER_CORRUPT', { missing: eventId })
    if (body.event_crc !== null && body.event_crc !== crc32(body.event))
      throw new DelegationError('LEDGER_CORRUPT', { damaged: eventId })
    const stored = { ...(JSON.parse(body.event) as AsyncDelegationEvent), seq }
    const event = body.is_left === 1 ? { ...stored, restored: true as const } : stored
    return {
      seq,
      eventId,
      delegationId,
      state,
      attempts,
      availableAt,
      bornAt: row.born_at,
      reason,
      pulled: row.pulled === 1,
      event,
    }
  }
}

/** A pull takes what it names; nobody else gets what is there for a pull. */
function openOf(select: Select): Where {
  const { sql, values } = whereOf(select, byId)
  return { sql: `${sql} AND ${isOpen}${pulls(select) ? '' : ' AND pulled = 0'}`, values }
}
