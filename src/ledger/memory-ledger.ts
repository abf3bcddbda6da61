/**
 * The ledger of one process: nothing outlives it. Every call does all of its work before it returns its promise, so
 * that two calls of one tick are serial and admission needs no lock (P1). Records are values: a change replaces one.
 */
import { defaultBackoff } from '../core/backoff.js'
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { DeliveryRules } from './delivery-rules.js'
import type {
  Admission,
  Charge,
  CounterUse,
  Hold,
  Ledger,
  Owner,
  Select,
  Settled,
  Settlement,
  UnitDraft,
  UnitPatch,
  UnitRecord,
} from './ledger.js'
import { createMemoryOutbox } from './memory-outbox.js'
import { createSlots } from './memory-slots.js'
import { belongingOfUnit, matches } from './select.js'

export interface MemoryLedgerOptions {
  readonly clock: Clock
  /** In [0, 1): the jitter of redelivery. */
  readonly random: () => number
  /**
   * Ended units that stay readable (R38). What is still to be delivered is never dropped for it.
   * @defaultValue 50
   */
  readonly retainedUnits?: number
  readonly rules?: Partial<DeliveryRules>
}

const defaults = { retainedUnits: 50, maxAttempts: 8, maxAgeSeconds: 48 * 3600 } as const
const lateLimit = 20

interface Stored {
  record: UnitRecord
  readonly dispatchedBy: string
}

/** A ledger that lives as long as its process (`durability: 'none'`). */
export function createMemoryLedger(options: MemoryLedgerOptions): Ledger {
  const { clock, random, retainedUnits = defaults.retainedUnits } = options
  const { maxAttempts, maxAgeSeconds } = defaults
  const rules = { maxAttempts, maxAgeSeconds, backoff: defaultBackoff, ...options.rules }
  const units = new Map<string, Stored>()
  /** Ended units that hold no slot, oldest first: what retention may take. */
  const prunable = new Map<string, Stored>()
  const keys = new Map<
    string,
    { readonly fingerprint: string; readonly id: string; readonly until: number }
  >()
  const owners = new Map<string, Owner>()
  const slots = createSlots()
  const outbox = createMemoryOutbox({ clock, random, rules, isRetained: (id) => units.has(id) })
  const subscribers = new Set<() => void>()
  let announced = false
  let closed = false

  function open(): void {
    if (closed) throw new DelegationError('LEDGER_CLOSED')
  }

  function changed(): void {
    if (announced || subscribers.size === 0) return
    announced = true
    queueMicrotask(() => {
      announced = false
      for (const tell of [...subscribers]) tell()
    })
  }

  function update(stored: Stored, change: Partial<UnitRecord>): void {
    stored.record = { ...stored.record, ...change }
  }

  const isLive = (record: UnitRecord): boolean => record.endedAt === null

  /** The unit that `hold` may write, or undefined: gone, ended, or taken over since. */
  function writable(hold: Hold): Stored | undefined {
    const stored = units.get(hold.id)
    return stored !== undefined && isLive(stored.record) && stored.record.fence === hold.fence
      ? stored
      : undefined
  }

  function keepLate(hold: Hold, patch: UnitPatch): void {
    const stored = units.get(hold.id)
    if (stored === undefined || stored.record.late.length >= lateLimit) return
    update(stored, { late: [...stored.record.late, patch] })
  }

  function releaseSlot(stored: Stored): void {
    if (!stored.record.slotHeld) return
    slots.release(stored.record.slotKey, stored.record.id)
    update(stored, { slotHeld: false })
    if (!isLive(stored.record)) prunable.set(stored.record.id, stored)
  }

  function prune(): number {
    let count = 0
    for (const id of prunable.keys()) {
      if (prunable.size <= retainedUnits) break
      prunable.delete(id)
      units.delete(id)
      outbox.forget(id)
      count += 1
    }
    return count
  }

  function holdersOf(counter: string): UnitRecord[] {
    return slots
      .unitsOf(counter)
      .map((id) => units.get(id)?.record)
      .filter((unit) => unit !== undefined)
  }

  function insert(ownerId: string, draft: UnitDraft, charges: readonly Charge[]): Hold {
    slots.occupy(draft.slotKey, draft.id, charges)
    const children = Array.from({ length: draft.childCount }, () => ({
      state: 'waiting',
      result: null,
      checkpoint: null,
    }))
    const record: UnitRecord = {
      ...draft,
      owner: ownerId,
      fence: 1,
      state: 'running',
      cause: null,
      slotHeld: true,
      admittedAt: clock.now(),
      endedAt: null,
      children,
      interrupt: null,
      late: [],
    }
    units.set(draft.id, { record, dispatchedBy: ownerId })
    return { id: draft.id, fence: 1 }
  }

  function admit(
    ownerId: string,
    draft: UnitDraft,
    charges: readonly Charge[],
    key?: { readonly key: string; readonly fingerprint: string; readonly keepSeconds: number },
  ): Admission {
    const known = key === undefined ? undefined : keys.get(key.key)
    if (key !== undefined && known !== undefined && known.until > clock.now()) {
      return { status: known.fingerprint === key.fingerprint ? 'existing' : 'key_reused', id: known.id }
    }
    const full = slots.isHeld(draft.slotKey) ? undefined : slots.firstFull(charges)
    if (full !== undefined) {
      const { counter, limit } = full
      return { status: 'refused', counter, limit, inUse: slots.inUse(counter), holders: holdersOf(counter) }
    }
    if (units.has(draft.id) || outbox.has(draft.id))
      throw new DelegationError('LEDGER_DUPLICATE', { id: draft.id })
    const hold = insert(ownerId, draft, charges)
    if (key !== undefined) {
      keys.set(key.key, { fingerprint: key.fingerprint, id: draft.id, until: clock.now() + key.keepSeconds })
    }
    changed()
    return { status: 'admitted', hold }
  }

  function record(hold: Hold, patch: UnitPatch): boolean {
    const stored = writable(hold)
    if (stored === undefined) {
      keepLate(hold, patch)
      return false
    }
    const { phase, child } = patch
    if (phase !== undefined) update(stored, { state: phase })
    const before = child === undefined ? undefined : stored.record.children[child.index]
    if (child !== undefined && before !== undefined) {
      const result = before.result ?? child.result ?? null
      const checkpoint = child.checkpoint ?? before.checkpoint
      const state = before.result === null ? child.state : before.state
      update(stored, { children: stored.record.children.with(child.index, { state, result, checkpoint }) })
    }
    changed()
    return true
  }

  function settle(hold: Hold, end: Settlement): Settled {
    const stored = writable(hold)
    if (stored === undefined) return { won: false, state: units.get(hold.id)?.record.state ?? 'unknown' }
    const event = outbox.add(end.event, stored.dispatchedBy)
    update(stored, { state: end.state, cause: end.cause, endedAt: clock.now() })
    if (end.slot === 'freed') releaseSlot(stored)
    const claim = end.claimedBy
      ? outbox.claim(end.claimedBy.consumer, { ids: [hold.id] }, 1, end.claimedBy.leaseSeconds).claims[0]
      : undefined
    prune()
    changed()
    return { won: true, event, claim: claim ?? null }
  }

  function withdraw(hold: Hold): boolean {
    const stored = writable(hold)
    if (stored === undefined) return false
    releaseSlot(stored)
    units.delete(hold.id)
    for (const [key, entry] of keys) if (entry.id === hold.id) keys.delete(key)
    changed()
    return true
  }

  function takeOver(deadOwnerId: string, byOwnerId: string): { hold: Hold; unit: UnitRecord }[] {
    if (!owners.delete(deadOwnerId)) return []
    outbox.freeClaimsOf(deadOwnerId)
    const taken = []
    for (const stored of units.values()) {
      if (stored.record.owner !== deadOwnerId) continue
      if (!isLive(stored.record)) {
        releaseSlot(stored)
        continue
      }
      update(stored, { owner: byOwnerId, fence: stored.record.fence + 1 })
      taken.push({ hold: { id: stored.record.id, fence: stored.record.fence }, unit: stored.record })
    }
    changed()
    return taken
  }

  function* select(select: Select, live: boolean | null): Generator<Stored> {
    for (const stored of [...units.values()].reverse()) {
      if (live !== null && isLive(stored.record) !== live) continue
      if (matches(select, belongingOfUnit(stored.record, stored.dispatchedBy))) yield stored
    }
  }

  function requireOwner(ownerId: string): Owner {
    const owner = owners.get(ownerId)
    if (owner === undefined) throw new DelegationError('LEDGER_UNKNOWN_OWNER', { owner: ownerId })
    return owner
  }

  /** Runs `step` at once and hands its outcome out as a promise: what is thrown becomes a rejection. */
  function atOnce<T>(step: () => T): Promise<T> {
    try {
      open()
      return Promise.resolve(step())
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  return {
    info: { id: 'memory', kind: 'memory', shared: false, durability: 'none' },
    join: (owner) => atOnce(() => void owners.set(owner.id, owner)),
    heartbeat: (ownerId) =>
      atOnce(() => {
        owners.set(ownerId, { ...requireOwner(ownerId), seenAt: clock.now() })
        const mine = [...units.values()].filter(({ record }) => record.owner === ownerId && isLive(record))
        return mine.map(({ record }) => record.interrupt).filter((request) => request !== null)
      }),
    admit: (ownerId, draft, charges, key) =>
      atOnce(() => {
        requireOwner(ownerId)
        return admit(ownerId, draft, charges, key)
      }),
    withdraw: (hold) => atOnce(() => withdraw(hold)),
    record: (hold, patch) => atOnce(() => record(hold, patch)),
    settle: (hold, end) => atOnce(() => settle(hold, end)),
    freeSlot: (hold) =>
      atOnce(() => {
        const stored = units.get(hold.id)
        if (stored === undefined || stored.record.fence !== hold.fence) return
        releaseSlot(stored)
        prune()
        changed()
      }),
    requestInterrupt: (which, request) =>
      atOnce(() => {
        const asked = [...select(which, true)]
        for (const stored of asked) {
          update(stored, { interrupt: { ...request, unitId: stored.record.id, at: clock.now() } })
        }
        changed()
        return asked.map(({ record }) => record)
      }),
    owners: () => atOnce(() => [...owners.values()]),
    takeOver: (deadOwnerId, byOwnerId) =>
      atOnce(() => {
        requireOwner(byOwnerId)
        return takeOver(deadOwnerId, byOwnerId)
      }),
    publish: (ownerId, event) =>
      atOnce(() => {
        requireOwner(ownerId)
        const stored = outbox.add(event, ownerId)
        changed()
        return stored.seq ?? 0
      }),
    claim: (ownerId, which, limit, leaseSeconds) =>
      atOnce(() => {
        requireOwner(ownerId)
        return outbox.claim(ownerId, which, limit, leaseSeconds)
      }),
    resolve: (tokens, verdict) =>
      atOnce(() => {
        const won = tokens.map((token) => outbox.resolve(token, verdict))
        if (verdict.kind === 'release' || verdict.kind === 'defer') changed()
        return won
      }),
    collect: (eventId) => atOnce(() => outbox.collect(eventId)),
    reopen: (eventIds, to) =>
      atOnce(() => {
        const done = eventIds.map((id) => outbox.reopen(id, to))
        changed()
        return done
      }),
    get: (id) => atOnce(() => units.get(id)?.record ?? null),
    list: (which, live, { limit }) =>
      atOnce(() => {
        const found: UnitRecord[] = []
        for (const stored of select(which, live)) {
          if (found.length >= limit) break
          found.push(stored.record)
        }
        return found
      }),
    deliveries: (which, states, page) => atOnce(() => outbox.list(which, states, page)),
    usage: (counters) =>
      atOnce(() =>
        counters.map((counter): CounterUse => ({
          counter,
          inUse: slots.inUse(counter),
          holders: holdersOf(counter),
        })),
      ),
    subscribe(onChange) {
      subscribers.add(onChange)
      return () => void subscribers.delete(onChange)
    },
    prune: () =>
      atOnce(() => {
        const now = clock.now()
        let count = prune()
        for (const [key, { until }] of keys) if (until <= now && keys.delete(key)) count += 1
        return count
      }),
    close() {
      closed = true
      subscribers.clear()
      return Promise.resolve()
    },
  }
}
