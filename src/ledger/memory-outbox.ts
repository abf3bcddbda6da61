/** The deliveries of the memory ledger: one map, one index of what is still open per session. */
import type { Clock, Instant } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import { TurnoverMap } from '../core/turnover-map.js'
import {
  afterTime,
  neverTooOld,
  afterVerdict,
  atOnce,
  type DeliveryRules,
  type DeliveryStanding,
} from './delivery-rules.js'
import type { Claim, Delivery, DeliveryState, Page, Select, Verdict, Waiting } from './shapes.js'
import { belongingOfEvent, matches, pulls } from './select.js'

interface Row {
  readonly seq: number
  readonly eventId: string
  /** When it was added, or last reopened: the replay limit counts from here. */
  bornAt: Instant
  /** Who dispatched or published it: all that owns an event with an empty session key. */
  readonly origin: string
  readonly event: AsyncDelegationEvent
  /** Only who asks for it by id gets it. */
  readonly pulled: boolean
  standing: DeliveryStanding
  claim: { readonly token: string; readonly consumer: string } | null
}

export interface MemoryOutbox {
  /** Returns the event as stored, with its `seq`. `pulled`: only who asks by id gets it. @throws LEDGER_DUPLICATE */
  add(event: AsyncDelegationEvent, origin: string, pulled: boolean): AsyncDelegationEvent
  claim(
    consumer: string,
    select: Select,
    limit: number,
    leaseSeconds: number,
  ): { claims: Claim[]; nextAt: Instant | null }
  waiting(): Waiting[]
  resolve(token: string, verdict: Verdict): boolean
  collect(eventId: string): boolean
  drop(eventId: string, reason: string): boolean
  reopen(eventId: string, to: 'pending' | 'dismissed'): boolean
  list(select: Select, states: readonly DeliveryState[], page: Page): Delivery[]
  /** A dead consumer's claims go back, costing no attempt. */
  freeClaimsOf(consumer: string): void
  /** Forgets an event if it is resolved; what is still to be delivered stays. Returns whether it went. */
  forget(eventId: string): boolean
  has(eventId: string): boolean
}

interface OutboxOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly rules: DeliveryRules
  /** False: nothing but the outbox knows the event, so it goes as soon as it is resolved. */
  readonly isRetained: (eventId: string) => boolean
  /** True: this owner has left or died. What it left is `restored`. */
  readonly hasLeft: (owner: string) => boolean
}

const isOpen = (state: DeliveryState): boolean => state === 'pending' || state === 'claimed'

export function createMemoryOutbox({
  clock,
  random,
  rules,
  isRetained,
  hasLeft,
}: OutboxOptions): MemoryOutbox {
  const rows = new TurnoverMap<string, Row>()
  /** Pending and claimed rows by session key, in `seq` order: a claim costs what its session has open, not what is stored. */
  const open = new TurnoverMap<string, TurnoverMap<number, Row>>()
  const tokens = new TurnoverMap<string, Row>()
  /** Events of a unit beside its final one, by the unit's id. */
  const further = new Map<string, Set<string>>()
  let seq = 0
  let claimCount = 0

  function move(row: Row, standing: DeliveryStanding): void {
    const wasOpen = isOpen(row.standing.state)
    row.standing = standing
    if (standing.state !== 'claimed') unclaim(row)
    if (isOpen(standing.state) === wasOpen) return
    if (wasOpen) close(row)
    else reopenRow(row)
  }

  /** What time alone has made of a row. */
  const standingOf = ({ standing, bornAt, pulled }: Row): DeliveryStanding =>
    afterTime(standing, pulled ? neverTooOld : bornAt, clock.now(), rules, random)

  function unclaim(row: Row): void {
    if (row.claim === null) return
    tokens.delete(row.claim.token)
    row.claim = null
  }

  function close(row: Row): void {
    const session = open.get(row.event.session_key)
    session?.delete(row.seq)
    if (session?.size === 0) open.delete(row.event.session_key)
    const isOver = row.standing.state !== 'dead'
    // What was there to be pulled, and was, is kept for nobody.
    if (isOver && (row.pulled || !isRetained(row.eventId))) drop(row)
  }

  function furtherOf(unit: string): Set<string> {
    const known = further.get(unit) ?? new Set<string>()
    further.set(unit, known)
    return known
  }

  function drop({ eventId, event: { delegation_id } }: Row): void {
    rows.delete(eventId)
    const others = further.get(delegation_id)
    others?.delete(eventId)
    if (others?.size === 0) further.delete(delegation_id)
  }

  function openOf(sessionKey: string): TurnoverMap<number, Row> {
    const known = open.get(sessionKey)
    if (known !== undefined) return known
    const fresh = new TurnoverMap<number, Row>()
    open.set(sessionKey, fresh)
    return fresh
  }

  function reopenRow(row: Row): void {
    const others = open.get(row.event.session_key)?.values() ?? []
    // A reopened row is older than what the map ends with: restore `seq` order.
    const ordered = new TurnoverMap<number, Row>()
    for (const each of [...others, row].sort((a, b) => a.seq - b.seq)) ordered.set(each.seq, each)
    open.set(row.event.session_key, ordered)
  }

  function* candidates(select: Select): Generator<Row> {
    if ('sessionKey' in select) {
      yield* open.get(select.sessionKey)?.values() ?? []
    } else if ('ids' in select) {
      const ids = new Set(select.ids.flatMap((id) => [id, ...(further.get(id) ?? [])]))
      yield* inOrder(ids)
    } else if ('eventIds' in select) {
      yield* inOrder(new Set(select.eventIds))
    } else {
      for (const row of rows.values()) yield row
    }
  }

  function inOrder(eventIds: ReadonlySet<string>): Row[] {
    const wanted = [...eventIds].map((id) => rows.get(id)).filter((row) => row !== undefined)
    return wanted.sort((a, b) => a.seq - b.seq)
  }

  /** In `seq` order: a map keeps the order of insertion. */
  function stored(select: Select): Iterable<Row> {
    return 'ids' in select || 'eventIds' in select ? candidates(select) : rows.values()
  }

  const owns = (select: Select, row: Row): boolean => matches(select, belongingOfEvent(row.event, row.origin))

  function lease(row: Row, consumer: string, leaseSeconds: number): Claim {
    const since = clock.now()
    const until = since + leaseSeconds
    claimCount += 1
    const token = `${consumer}:${claimCount}`
    row.standing = { ...row.standing, state: 'claimed', leasedUntil: until, since }
    row.claim = { token, consumer }
    tokens.set(token, row)
    return { token, eventId: row.eventId, until, delivery: snapshot(row) }
  }

  return {
    has: (eventId) => rows.has(eventId),
    add(event, origin, pulled) {
      const eventId = event.event_id ?? event.delegation_id
      if (rows.has(eventId)) throw new DelegationError('LEDGER_DUPLICATE', { event_id: eventId })
      seq += 1
      // Assigned, not spread: V8 takes ten times as long to add to a copy that was spread.
      const stored = Object.freeze(Object.assign({}, event, { event_id: eventId, seq }))
      const now = clock.now()
      const standing = {
        state: 'pending',
        attempts: 0,
        availableAt: atOnce,
        reason: null,
        leasedUntil: null,
        since: null,
      } as const
      const row: Row = { seq, eventId, bornAt: now, origin, event: stored, pulled, standing, claim: null }
      rows.set(eventId, row)
      if (eventId !== event.delegation_id) furtherOf(event.delegation_id).add(eventId)
      openOf(event.session_key).set(seq, row)
      return stored
    },
    claim(consumer, select, limit, leaseSeconds) {
      const now = clock.now()
      const claims: Claim[] = []
      let nextAt: Instant | null = null
      for (const row of candidates(select)) {
        if (claims.length >= limit) break
        if (!isOpen(row.standing.state) || !owns(select, row)) continue
        if (row.pulled && !pulls(select)) continue
        move(row, standingOf(row))
        const { state, availableAt, leasedUntil } = row.standing
        if (state === 'pending' && availableAt <= now) claims.push(lease(row, consumer, leaseSeconds))
        else if (isOpen(state)) nextAt = Math.min(nextAt ?? Infinity, leasedUntil ?? availableAt)
      }
      return { claims, nextAt }
    },
    waiting() {
      const groups = new Map<string, Waiting>()
      for (const session of open.values()) {
        for (const { seq: lastSeq, event, origin: dispatchedBy, pulled, standing } of session.values()) {
          if (pulled) continue
          const { sessionKey, parentSessionId } = belongingOfEvent(event, dispatchedBy)
          const key = JSON.stringify([sessionKey, parentSessionId, dispatchedBy])
          const dueAt = Math.min(
            standing.leasedUntil ?? standing.availableAt,
            groups.get(key)?.dueAt ?? Infinity,
          )
          groups.set(key, { sessionKey, parentSessionId, dispatchedBy, dueAt, lastSeq })
        }
      }
      return [...groups.values()]
    },
    resolve(token, verdict) {
      const row = tokens.get(token)
      if (row === undefined) return false
      const now = clock.now()
      move(row, standingOf(row))
      if (row.claim?.token !== token) return false
      move(row, afterVerdict(row.standing, verdict, now, rules, random))
      return true
    },
    collect(eventId) {
      const row = rows.get(eventId)
      if (row === undefined) return false
      move(row, standingOf(row))
      if (row.standing.state === 'claimed') return false
      move(row, { ...row.standing, state: 'delivered', reason: null, leasedUntil: null, since: null })
      return true
    },
    drop(eventId, reason) {
      const row = rows.get(eventId)
      if (row === undefined) return false
      move(row, standingOf(row))
      if (row.standing.state !== 'pending') return false
      move(row, { ...row.standing, state: 'dropped', reason })
      return true
    },
    reopen(eventId, to) {
      const row = rows.get(eventId)
      if (row === undefined || (row.standing.state !== 'dead' && row.standing.state !== 'dropped'))
        return false
      row.bornAt = clock.now()
      const fresh = { attempts: 0, availableAt: atOnce, leasedUntil: null, since: null }
      move(row, { ...row.standing, ...fresh, state: to })
      if (to === 'dismissed' && !isRetained(eventId)) drop(row)
      return true
    },
    list(select, states, { afterSeq = 0, limit }) {
      const found: Delivery[] = []
      for (const row of stored(select)) {
        if (found.length >= limit) break
        if (row.seq > afterSeq && states.includes(standingOf(row).state) && owns(select, row))
          found.push(snapshot(row))
      }
      return found
    },
    freeClaimsOf(consumer) {
      for (const row of [...tokens.values()]) {
        if (row.claim?.consumer !== consumer) continue
        move(row, { ...row.standing, state: 'pending', availableAt: atOnce, leasedUntil: null, since: null })
      }
    },
    forget(eventId) {
      const row = rows.get(eventId)
      if (row === undefined || isOpen(row.standing.state) || row.standing.state === 'dead') return false
      drop(row)
      return true
    },
  }

  function snapshot(row: Row): Delivery {
    const { seq, eventId, event, origin, pulled, bornAt } = row
    const { state, attempts, availableAt, reason } = standingOf(row)
    const shown = hasLeft(origin) ? { ...event, restored: true as const } : event
    return {
      seq,
      eventId,
      delegationId: event.delegation_id,
      state,
      attempts,
      availableAt,
      bornAt,
      reason,
      pulled,
      event: shown,
    }
  }
}
