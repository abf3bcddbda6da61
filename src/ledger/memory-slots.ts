import { assert } from '../core/errors.js'
import type { Charge } from './ledger.js'

/** Counters, and the slots that charge them. One slot is one charge, however many units share its key (P2). */
export interface Slots {
  isHeld(slotKey: string): boolean
  /** The first charge that does not fit under the limit of this call (R14), or undefined. */
  firstFull(charges: readonly Charge[]): Charge | undefined
  /** Charges a new slot, or joins the one that is there. */
  occupy(slotKey: string, unitId: string, charges: readonly Charge[]): void
  /** The last unit of a slot gives its charges back. */
  release(slotKey: string, unitId: string): void
  inUse(counter: string): number
  /** Ids of the units whose slots charge the counter, oldest first. */
  unitsOf(counter: string): string[]
}

interface Slot {
  readonly charges: readonly Charge[]
  readonly unitIds: Set<string>
}

export function createSlots(): Slots {
  const slots = new Map<string, Slot>()
  const counters = new Map<string, { total: number; readonly slots: Set<Slot> }>()

  function counterOf(name: string): { total: number; readonly slots: Set<Slot> } {
    const known = counters.get(name)
    if (known !== undefined) return known
    const fresh = { total: 0, slots: new Set<Slot>() }
    counters.set(name, fresh)
    return fresh
  }

  return {
    isHeld: (slotKey) => slots.has(slotKey),
    firstFull: (charges) =>
      charges.find(({ counter, amount, limit }) => (counters.get(counter)?.total ?? 0) + amount > limit),
    occupy(slotKey, unitId, charges) {
      const held = slots.get(slotKey)
      if (held !== undefined) {
        held.unitIds.add(unitId)
        return
      }
      const slot = { charges, unitIds: new Set([unitId]) }
      slots.set(slotKey, slot)
      for (const { counter, amount } of charges) {
        const entry = counterOf(counter)
        entry.total += amount
        entry.slots.add(slot)
      }
    },
    release(slotKey, unitId) {
      const slot = slots.get(slotKey)
      assert(slot?.unitIds.delete(unitId) === true, `unit ${unitId} holds slot ${slotKey}`)
      if (slot.unitIds.size > 0) return
      slots.delete(slotKey)
      for (const { counter, amount } of slot.charges) {
        const entry = counterOf(counter)
        entry.total -= amount
        entry.slots.delete(slot)
        if (entry.slots.size === 0) counters.delete(counter)
      }
    },
    inUse: (counter) => counters.get(counter)?.total ?? 0,
    unitsOf: (counter) => [...(counters.get(counter)?.slots ?? [])].flatMap((slot) => [...slot.unitIds]),
  }
}
