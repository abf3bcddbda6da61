/**
 * The ledger of one process: nothing outlives it. Every call does all of its work before it returns its promise, so
 * that two calls of one tick are serial and admission needs no lock (P1).
 */
import { defaultBackoff } from '../core/backoff.js'
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import { TurnoverMap } from '../core/turnover-map.js'
import { defaultDeliveryRules, type DeliveryRules } from './delivery-rules.js'
import type { Ledger } from './ledger.js'
import type { CounterUse, Owner, UnitRecord } from './shapes.js'
import { createMemoryMail } from './memory-mail.js'
import { createMemoryOutbox } from './memory-outbox.js'
import { createSubscribers } from './subscribers.js'
import { createMemoryUnits } from './memory-units.js'
import type { StoredUnit } from './stored-unit.js'

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

const defaults = { retainedUnits: 50 } as const
/** A ledger that lives as long as its process (`durability: 'none'`). */
export function createMemoryLedger(options: MemoryLedgerOptions): Ledger {
  const { clock, random, retainedUnits = defaults.retainedUnits } = options
  const rules = { ...defaultDeliveryRules, backoff: defaultBackoff, ...options.rules }
  const stored = new TurnoverMap<string, StoredUnit>()
  const owners = new Map<string, Owner>()
  const outbox = createMemoryOutbox({
    clock,
    random,
    rules,
    isRetained: (id) => stored.has(id),
    hasLeft: (id) => !owners.has(id),
  })
  const units = createMemoryUnits({ clock, retainedUnits, units: stored, outbox })
  const mail = createMemoryMail(clock, (id) => {
    const unit = units.get(id)
    return unit?.endedAt === null ? unit : undefined
  })
  const subscribers = createSubscribers()
  let announced = false
  let closed = false

  function changed(): void {
    if (announced || subscribers.size === 0) return
    announced = true
    queueMicrotask(() => {
      announced = false
      subscribers.tell()
    })
  }

  function requireOwner(ownerId: string): Owner {
    const owner = owners.get(ownerId)
    if (owner === undefined) throw new DelegationError('LEDGER_UNKNOWN_OWNER', { owner: ownerId })
    return owner
  }

  /** Runs `step` at once and hands its outcome out as a promise: what is thrown becomes a rejection. */
  function read<T>(step: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (closed) throw new DelegationError('LEDGER_CLOSED')
      resolve(step())
    })
  }

  function write<T>(step: () => T): Promise<T> {
    const outcome = read(step)
    changed()
    return outcome
  }

  return {
    info: { id: 'memory', kind: 'memory', shared: false, durability: 'none' },
    join: (owner) => write(() => void owners.set(owner.id, owner)),
    heartbeat: (ownerId) =>
      read(() => {
        owners.set(ownerId, { ...requireOwner(ownerId), seenAt: clock.now() })
        return units.liveOf(ownerId).flatMap(({ interrupts }) => interrupts)
      }),
    admit: (ownerId, draft, charges, key, joining) =>
      read(() => {
        requireOwner(ownerId)
        const admission = units.admit(ownerId, draft, charges, key, joining)
        // A refusal is no change: those who wait for a slot would wake each other with it.
        if (admission.status === 'admitted') changed()
        return admission
      }),
    withdraw: (hold) => write(() => units.withdraw(hold)),
    record: (hold, patch) => write(() => units.record(hold, patch)),
    settle: (hold, end) => write(() => units.settle(hold, end)),
    freeSlot: (hold) => write(() => units.freeSlot(hold)),
    requestInterrupt: (which, request) => write(() => units.askToStop(which, request)),
    mail: {
      post: (letter) => write(() => mail.post(letter)),
      waiting: (ownerId) => read(() => mail.waiting(ownerId)),
      reply: (letterId, reply) => write(() => mail.reply(letterId, reply)),
      replyTo: (letterId) => read(() => mail.replyTo(letterId)),
      forget: (letterId) => write(() => mail.forget(letterId)),
    },
    owners: () => read(() => [...owners.values()]),
    takeOver: (deadOwnerId, byOwnerId, which) =>
      write(() => {
        requireOwner(byOwnerId)
        if (deadOwnerId === byOwnerId || !owners.has(deadOwnerId)) return []
        outbox.freeClaimsOf(deadOwnerId)
        const taken = units.takeOver(deadOwnerId, byOwnerId, which)
        if (units.liveOf(deadOwnerId).length === 0) owners.delete(deadOwnerId)
        return taken
      }),
    publish: (ownerId, event, delivery = 'claim') =>
      write(() => {
        requireOwner(ownerId)
        return outbox.add(event, ownerId, delivery === 'collect').seq ?? 0
      }),
    claim: (ownerId, which, limit, leaseSeconds) =>
      read(() => {
        requireOwner(ownerId)
        return outbox.claim(ownerId, which, limit, leaseSeconds)
      }),
    waiting: () => read(() => outbox.waiting()),
    resolve: (tokens, verdict) => write(() => tokens.map((token) => outbox.resolve(token, verdict))),
    collect: (eventId) => write(() => outbox.collect(eventId)),
    drop: (eventIds, reason) => write(() => eventIds.map((id) => outbox.drop(id, reason))),
    reopen: (eventIds, to) => write(() => eventIds.map((id) => outbox.reopen(id, to))),
    get: (id) => read(() => units.get(id) ?? null),
    list: (which, live, { limit }) =>
      read(() => {
        const found: UnitRecord[] = []
        for (const unit of units.select(which, live)) {
          if (found.length >= limit) break
          found.push(unit)
        }
        return found
      }),
    deliveries: (which, states, page) => read(() => outbox.list(which, states, page)),
    usage: (counters) =>
      read(() =>
        counters.map((counter): CounterUse => {
          const [inUse, holders] = [units.inUse(counter), units.holdersOf(counter)]
          return { counter, inUse, holders }
        }),
      ),
    usageSums: (query) => read(() => units.usageSums(query)),
    subscribe: (onChange) => subscribers.add(onChange),
    prune: () => write(() => units.prune() + units.pruneKeys() + mail.prune()),
    close() {
      closed = true
      subscribers.clear()
      return Promise.resolve()
    },
  }
}
