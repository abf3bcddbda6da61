/**
 * The ledger in a file: every process that opens the same one shares its units, caps and completions. One connection, on
 * the main thread; reads are immediate, writes go through the writer.
 */
import { defaultBackoff } from '../core/backoff.js'
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import { defaultDeliveryRules, type DeliveryRules } from './delivery-rules.js'
import type { Ledger } from './ledger.js'
import type { Admission } from './shapes.js'
import { createCheckpoints } from './sqlite-checkpoint.js'
import type { Sqlite } from './sqlite-driver.js'
import { createSqliteEnds } from './sqlite-ends.js'
import { openOwnFile } from './sqlite-file.js'
import { createSqliteMail } from './sqlite-mail.js'
import { createSqliteOutbox } from './sqlite-outbox.js'
import { allOwners, enter, isJoined, leave } from './sqlite-owners.js'
import { openPowerLog } from './sqlite-power.js'
import { pruneAll, pruneOnce } from './sqlite-prune.js'
import { createSqliteBudgets } from './sqlite-budgets.js'
import { createSqliteUsages } from './sqlite-usages.js'
import { ledgerSchema } from './sqlite-schema.js'
import { createSqliteSlots } from './sqlite-slots.js'
import { createSqliteSpool } from './sqlite-spool.js'
import { createUnchanged } from './sqlite-unchanged.js'
import type { FoundUnit } from './sqlite-unit-rows.js'
import { createSqliteUnits } from './sqlite-units.js'
import { createSubscribers } from './subscribers.js'
import { watchForeignWrites } from './sqlite-watch.js'
import { createSqliteWriter, type WriteOptions } from './sqlite-writer.js'

export interface SqliteLedgerOptions {
  /**
   * `process`: what is settled survives kill -9. `power`: it survives a power cut, too, for one `fdatasync` per group of
   * settles.
   * @defaultValue 'process'
   */
  readonly durability?: 'process' | 'power'
  /**
   * How long a write may wait for a lock that another process holds, ms.
   * @defaultValue 5_000
   */
  readonly busyMs?: number
  /**
   * How long delivered completions and their units stay, seconds.
   * @defaultValue 604_800, seven days (spec 2.1)
   */
  readonly retentionSeconds?: number
  readonly rules?: Partial<DeliveryRules>
}

interface Given {
  readonly clock: Clock
  /** In [0, 1): the jitter of redelivery. */
  readonly random: () => number
}

const defaults = { durability: 'process', busyMs: 5_000, retentionSeconds: 7 * 24 * 3600 } as const
/** An owner that was seen this recently need not be written again, s: it is thought dead after ten. */
const seenAgainSeconds = 3
/** A unit, and a refusal, of at most so many is kept while nothing changes. */
const shortCharacters = 16_384

/**
 * A ledger in a SQLite file, for `createDelegator({ ledger: sqliteLedger('state.db') })`. The file is made where it is
 * not there, for this user alone (0600).
 * @throws {DelegationError} when it is opened: LEDGER_PATH, LEDGER_READ_ONLY, LEDGER_CORRUPT, LEDGER_FOREIGN,
 * LEDGER_NEWER, LEDGER_BUSY, LEDGER_FULL, LEDGER_IO, LEDGER_NO_DRIVER
 */
export function sqliteLedger(
  path: string,
  options: SqliteLedgerOptions = {},
): (given: Given) => Promise<Ledger> {
  return (given) => openSqliteLedger(path, options, given)
}

async function openSqliteLedger(
  path: string,
  options: SqliteLedgerOptions,
  { clock, random }: Given,
): Promise<Ledger> {
  const { durability, busyMs, retentionSeconds } = { ...defaults, ...options }
  const rules = { ...defaultDeliveryRules, backoff: defaultBackoff, ...options.rules }
  const db = await openOwnFile(path, busyMs, ledgerSchema)
  const log = durability === 'power' ? await orClose(db, openPowerLog(path)) : null
  const checkpoints = createCheckpoints(path)
  const outbox = createSqliteOutbox(db, { clock, random, rules })
  const slots = createSqliteSlots(db)
  const budgets = createSqliteBudgets(db)
  const usages = createSqliteUsages(db, clock)
  const units = createSqliteUnits(db, clock, slots, budgets, usages, outbox)
  const known = createUnchanged<FoundUnit | null>(db, isShort)
  const refusals = createUnchanged<Admission | null>(db, isShortRefusal)
  const subscribers = createSubscribers()
  const joined = new Set<string>()
  let stopWatch: (() => void) | null = null
  let isClosed = false
  /** The last dispatch was refused: others want the same slots, and the next free one goes to who is first. */
  let isContended = false

  const writer = createSqliteWriter({
    db,
    path,
    busyMs,
    onCommit() {
      known.forget()
      refusals.forget()
      checkpoints.afterCommit()
      subscribers.tell()
    },
    sync: log === null ? null : () => log.sync(),
  })

  async function write<T>(step: () => T, options?: WriteOptions<T>): Promise<T> {
    if (isClosed) throw new DelegationError('LEDGER_CLOSED')
    return writer.write(step, options)
  }

  async function read<T>(step: () => T): Promise<T> {
    if (isClosed) throw new DelegationError('LEDGER_CLOSED')
    return writer.read(step)
  }

  function requireOwner(id: string): void {
    if (!isJoined(db, id)) throw new DelegationError('LEDGER_UNKNOWN_OWNER', { owner: id })
  }

  /** Who leaves in good order need not be found dead, unless something of it still runs, or waits to be recorded. */
  function goAway(id: string): void {
    outbox.freeClaimsOf(id)
    if (!units.isOwning(id)) leave(db, id)
  }

  const ends = createSqliteEnds({
    spool: createSqliteSpool(path),
    settle: (hold, end) => write(() => units.settle(hold, end), { isResult: true }),
    get: (id) => read(() => units.get(id)),
    record: (hold, patch) => write(() => units.record(hold, patch)),
  })

  await ends.replay().catch(ends.replaySoon)
  return {
    info: { id: path, kind: 'sqlite', shared: true, durability },
    join: (owner) =>
      write(() => {
        joined.add(owner.id)
        enter(db, owner)
      }),
    async heartbeat(ownerId) {
      const seen = await read(() => {
        requireOwner(ownerId)
        return db
          .sql('SELECT seen_at FROM owners WHERE id = :id')
          .get<{ readonly seen_at: number }>({ id: ownerId })
      })
      const now = clock.now()
      if (seen !== undefined && Math.abs(now - seen.seen_at) >= seenAgainSeconds) {
        await write(() => {
          requireOwner(ownerId)
          db.sql('UPDATE owners SET seen_at = :now WHERE id = :id').run({ id: ownerId, now })
        })
      }
      return read(() => units.interruptsOf(ownerId))
    },
    async admit(ownerId, draft, charges, key, joining) {
      // Refused from a read: who finds no room takes no lock from those who work (P1).
      const ask = (): Admission | null => units.answer(draft, charges, key)
      // What depends on nothing but the charges stays the same until the file changes.
      const isOfCharges = key === undefined && draft.slotKey === draft.id
      const answer = isOfCharges ? () => refusals.get(JSON.stringify(charges), ask) : ask
      const answered = await read(answer)
      const isAtOnce = isContended
      isContended = answered?.status === 'refused'
      if (answered !== null) return answered
      const admit = (): Admission => {
        requireOwner(ownerId)
        return units.admit(ownerId, draft, charges, key, joining)
      }
      return write(admit, { answer, isAtOnce })
    },
    withdraw: (hold) => write(() => units.withdraw(hold)),
    record: (hold, patch) =>
      write(() => units.record(hold, patch), { isResult: patch.child?.result !== undefined }),
    settle: ends.settle,
    freeSlot: (hold) => write(() => units.freeSlot(hold), { isPatient: true }),
    requestInterrupt: (select, request) => write(() => units.askToStop(select, request)),
    mail: createSqliteMail(db, clock, read, write),
    owners: () => read(() => allOwners(db)),
    async takeOver(deadOwnerId, byOwnerId, which) {
      // What the dead one had kept aside are its real ends: as long as they cannot be written nothing is taken from it.
      try {
        await ends.replay()
      } catch {
        ends.replaySoon()
        return []
      }
      return write(() => {
        requireOwner(byOwnerId)
        if (deadOwnerId === byOwnerId || !isJoined(db, deadOwnerId)) return []
        outbox.freeClaimsOf(deadOwnerId)
        const taken = units.takeOver(deadOwnerId, byOwnerId, which)
        if (!units.isOwning(deadOwnerId)) leave(db, deadOwnerId)
        return taken
      })
    },
    publish: (ownerId, event, delivery = 'claim') =>
      write(
        () => {
          requireOwner(ownerId)
          return outbox.add(event, ownerId, delivery === 'collect').seq ?? 0
        },
        { isResult: true },
      ),
    async claim(ownerId, select, limit, leaseSeconds) {
      const nextAt = await read(() => {
        requireOwner(ownerId)
        return outbox.nextAt(select)
      })
      if (nextAt === null || nextAt > clock.now()) return { claims: [], nextAt }
      return write(() => {
        requireOwner(ownerId)
        const claims = outbox.claim(ownerId, select, limit, leaseSeconds)
        return { claims, nextAt: claims.length < limit ? outbox.nextAt(select) : null }
      })
    },
    waiting: () => read(() => outbox.waiting()),
    resolve: (tokens, verdict) => write(() => tokens.map((token) => outbox.resolve(token, verdict))),
    collect: (eventId) => write(() => outbox.collect(eventId)),
    drop: (eventIds, reason) => write(() => eventIds.map((id) => outbox.drop(id, reason))),
    reopen: (eventIds, to) => write(() => eventIds.map((id) => outbox.reopen(id, to))),
    get: (id) => read(() => known.get(id, () => units.find(id))?.unit ?? null),
    list: (select, live, page) => read(() => units.list(select, live, page)),
    deliveries: (select, states, page) => read(() => outbox.list(select, states, page)),
    usage: (counters) =>
      read(() =>
        counters.map((counter) => ({
          counter,
          inUse: slots.inUse(counter) + budgets.inUse(counter),
          holders: [...slots.holdersOf(counter), ...budgets.holdersOf(counter)],
        })),
      ),
    usageSums: (query) => read(() => usages.sums(query)),
    subscribe(onChange) {
      const takeBack = subscribers.add(onChange)
      stopWatch ??= watchForeignWrites(db, path, subscribers.tell)
      return () => {
        takeBack()
        if (subscribers.size > 0) return
        stopWatch?.()
        stopWatch = null
      }
    },
    prune: () => pruneAll(() => write(() => pruneOnce(db, clock.now(), retentionSeconds))),
    async close() {
      if (isClosed) return
      isClosed = true
      ends.stop()
      stopWatch?.()
      subscribers.clear()
      await writer.write(() => joined.forEach(goAway)).catch(() => undefined)
      await writer.idle()
      await checkpoints.stop()
      await log?.close()
      db.close()
    },
  }
}

/** A long one is read each time: little is kept. */
const isShort = (found: FoundUnit | null): boolean => found !== null && found.characters <= shortCharacters

function isShortRefusal(answer: Admission | null): boolean {
  if (answer?.status !== 'refused') return false
  return answer.holders.reduce((sum, { goal }) => sum + goal.length, 0) <= shortCharacters
}

async function orClose<T>(db: Sqlite, opening: Promise<T>): Promise<T> {
  try {
    return await opening
  } catch (error) {
    db.close()
    throw error
  }
}
