/** Units, their slots and their keys, of the memory ledger. */
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { TurnoverMap } from '../core/turnover-map.js'
import type {
  Admission,
  Charge,
  ChildRecord,
  Hold,
  InterruptRequest,
  Key,
  Select,
  Settled,
  Settlement,
  SlotHolderRecord,
  TakenUnit,
  UnitDraft,
  UnitPatch,
  UnitRecord,
} from './shapes.js'
import type { MemoryOutbox } from './memory-outbox.js'
import { isBudget } from './budget-rules.js'
import { createBudgets } from './memory-budgets.js'
import { createUsages, type Usages } from './memory-usages.js'
import { createKeys } from './memory-keys.js'
import { mergedChild, unstarted, type Life, type StoredUnit } from './stored-unit.js'
import { createSlots } from './memory-slots.js'
import { withAnswer, withRequest } from './interrupt-lists.js'
import { belongingOfUnit, matches } from './select.js'

export interface MemoryUnits {
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
  /** Live units of `select` get the request; returns them. */
  askToStop(select: Select, request: Omit<InterruptRequest, 'unitId' | 'at'>): UnitRecord[]
  get(id: string): UnitRecord | undefined
  /** Newest first. */
  select(select: Select, live: boolean | null): Generator<UnitRecord>
  liveOf(ownerId: string): UnitRecord[]
  inUse(counter: string): number
  holdersOf(counter: string): SlotHolderRecord[]
  usageSums: Usages['sums']
  prune(): number
  pruneKeys(): number
}

interface UnitsOptions {
  readonly clock: Clock
  readonly retainedUnits: number
  readonly units: TurnoverMap<string, StoredUnit>
  readonly outbox: MemoryOutbox
}

/** What came too late is kept for a reader, not for ever. */
const lateLimit = 20

export function createMemoryUnits({ clock, retainedUnits, units, outbox }: UnitsOptions): MemoryUnits {
  /** Ids of ended units that hold no slot, oldest first: what retention may take. */
  const prunable = new Set<string>()
  const keys = createKeys(clock)
  const slots = createSlots()
  const budgets = createBudgets()
  const usages = createUsages(clock)

  function update(stored: StoredUnit, change: Partial<Life>): void {
    Object.assign(stored.life, change)
    stored.snapshot = null
  }

  function recordOf(stored: StoredUnit): UnitRecord {
    const { draft, life } = stored
    return (stored.snapshot ??= { ...draft, ...life, children: [...life.children] })
  }

  const isLive = ({ life }: StoredUnit): boolean => life.endedAt === null

  /** The unit that `hold` may write, or undefined: gone, ended, or taken over since. */
  function writable(hold: Hold): StoredUnit | undefined {
    const stored = units.get(hold.id)
    return stored !== undefined && isLive(stored) && stored.life.fence === hold.fence ? stored : undefined
  }

  function keepLate(hold: Hold, patch: UnitPatch): void {
    const stored = units.get(hold.id)
    if (stored === undefined || stored.life.late.length >= lateLimit) return
    update(stored, { late: [...stored.life.late, patch] })
  }

  function releaseSlot(stored: StoredUnit): void {
    if (!stored.life.slotHeld) return
    slots.release(stored.draft.slotKey, stored.draft.id)
    update(stored, { slotHeld: false })
    if (!isLive(stored)) prunable.add(stored.draft.id)
  }

  function hasLiveUnit(slotKey: string): boolean {
    const members = slots.membersOf(slotKey).map((id) => units.get(id))
    return members.some((unit) => unit !== undefined && isLive(unit))
  }

  function prune(): number {
    let count = 0
    for (const id of prunable) {
      if (prunable.size <= retainedUnits) break
      prunable.delete(id)
      units.delete(id)
      outbox.forget(id)
      count += 1
    }
    return count
  }

  const inUse = (counter: string): number => slots.inUse(counter) + budgets.inUse(counter)

  function holdersOf(counter: string): SlotHolderRecord[] {
    return [...slots.unitsOf(counter), ...budgets.unitsOf(counter)]
      .map((id) => units.get(id))
      .filter((unit) => unit !== undefined)
      .map(({ draft: { id, goal, parentId }, life: { owner, admittedAt } }) => ({
        id,
        goal,
        owner,
        admittedAt,
        parentId,
      }))
  }

  function insert(ownerId: string, draft: UnitDraft, charges: readonly Charge[]): Hold {
    slots.occupy(
      draft.slotKey,
      draft.id,
      charges.filter((charge) => !isBudget(charge)),
    )
    const children = new Array<ChildRecord>(draft.childCount).fill(unstarted)
    const life: Life = {
      owner: ownerId,
      fence: 1,
      state: 'running',
      cause: null,
      slotHeld: true,
      admittedAt: clock.now(),
      endedAt: null,
      children,
      interrupts: [],
      interruptReports: [],
      late: [],
    }
    units.set(draft.id, { draft, life, dispatchedBy: ownerId, snapshot: null })
    return { id: draft.id, fence: 1 }
  }

  function assertNew({ id }: UnitDraft): void {
    if (units.has(id) || outbox.has(id)) throw new DelegationError('LEDGER_DUPLICATE', { id })
  }

  function admit(
    ownerId: string,
    draft: UnitDraft,
    charges: readonly Charge[],
    key?: Key,
    joining: readonly UnitDraft[] = [],
  ): Admission {
    const answered = keys.answer(key)
    if (answered !== null) return answered
    const isJoining = slots.isHeld(draft.slotKey)
    const full = charges.find((charge) =>
      isBudget(charge) ? !budgets.fits(charge) : !isJoining && !slots.fits(charge),
    )
    if (full !== undefined) {
      const { counter, limit } = full
      const refused = { counter, limit, inUse: inUse(counter), holders: holdersOf(counter) }
      return { status: 'refused', ...refused, ...(isBudget(full) && { spent: budgets.spent(counter) }) }
    }
    assertNew(draft)
    joining.forEach(assertNew)
    const hold = insert(ownerId, draft, charges)
    for (const other of joining) insert(ownerId, other, charges)
    keys.keep(key, draft.id)
    const spent = budgets.charge(draft, charges)
    return { status: 'admitted', hold, ...(spent.length > 0 && { spent }) }
  }

  function recordReport(hold: Hold, { interruptReport: report }: UnitPatch): void {
    const stored = units.get(hold.id)
    if (report !== undefined && stored?.life.fence === hold.fence)
      update(stored, withAnswer(stored.life, report))
  }

  function record(hold: Hold, patch: UnitPatch): boolean {
    recordReport(hold, patch)
    const { phase, child } = patch
    const stored = writable(hold)
    const before = child === undefined ? undefined : stored?.life.children[child.index]
    const isSecondResult = child?.result !== undefined && (before?.result ?? null) !== null
    if (stored === undefined || isSecondResult) {
      if (child !== undefined) keepLate(hold, patch)
      return false
    }
    if (child !== undefined && before !== undefined) {
      stored.life.children[child.index] = mergedChild(before, child)
    }
    update(stored, phase === undefined ? {} : { state: phase })
    return true
  }

  function settle(hold: Hold, end: Settlement): Settled {
    const stored = writable(hold)
    if (stored === undefined) return { won: false, state: units.get(hold.id)?.life.state ?? 'unknown' }
    const { delivery } = stored.draft
    const event =
      delivery === 'none' ? end.event : outbox.add(end.event, stored.dispatchedBy, delivery === 'collect')
    update(stored, { state: end.state, cause: end.cause, endedAt: clock.now() })
    if (end.slot === 'freed') releaseSlot(stored)
    const claim = end.claimedBy
      ? outbox.claim(end.claimedBy.consumer, { ids: [hold.id] }, 1, end.claimedBy.leaseSeconds).claims[0]
      : undefined
    const spent = budgets.settle(stored.draft, end.actual, () => !hasLiveUnit(stored.draft.slotKey))
    usages.add(stored.draft, end.usage)
    prune()
    return { won: true, event, claim: claim ?? null, ...(spent.length > 0 && { spent }) }
  }

  function withdraw(hold: Hold): boolean {
    const stored = writable(hold)
    if (stored === undefined) return false
    releaseSlot(stored)
    budgets.withdraw(stored.draft)
    units.delete(hold.id)
    keys.forget(hold.id)
    return true
  }

  function takeOver(deadOwnerId: string, byOwnerId: string, which: 'all' | 'unknown'): TakenUnit[] {
    outbox.freeClaimsOf(deadOwnerId)
    const taken = []
    for (const stored of units.values()) {
      if (stored.life.owner !== deadOwnerId) continue
      if (!isLive(stored)) {
        releaseSlot(stored)
        continue
      }
      if (which !== 'all' && stored.draft.onOwnerDeath !== which) continue
      update(stored, { owner: byOwnerId, fence: stored.life.fence + 1 })
      taken.push({ hold: { id: stored.draft.id, fence: stored.life.fence }, unit: recordOf(stored) })
    }
    return taken
  }

  function* stored(select: Select, live: boolean | null): Generator<StoredUnit> {
    for (const stored of [...units.values()].reverse()) {
      if (live !== null && isLive(stored) !== live) continue
      if (matches(select, belongingOfUnit(stored.draft, stored.dispatchedBy))) yield stored
    }
  }

  return {
    admit,
    withdraw,
    record,
    settle,
    takeOver,
    prune,
    holdersOf,
    usageSums: usages.sums,
    freeSlot(hold) {
      const held = units.get(hold.id)
      if (held?.life.fence !== hold.fence) return
      releaseSlot(held)
      prune()
    },
    askToStop(which, request) {
      const asked = [...stored(which, true)]
      for (const unit of asked)
        update(unit, withRequest(unit.life, { ...request, unitId: unit.draft.id, at: clock.now() }))
      return asked.map(recordOf)
    },
    get(id) {
      const unit = units.get(id)
      return unit === undefined ? undefined : recordOf(unit)
    },
    *select(which, live) {
      for (const unit of stored(which, live)) yield recordOf(unit)
    },
    liveOf: (ownerId) =>
      [...units.values()].filter((unit) => unit.life.owner === ownerId && isLive(unit)).map(recordOf),
    inUse,
    pruneKeys: keys.prune,
  }
}
