import { assert } from '../core/errors.js'
import { TurnoverMap } from '../core/turnover-map.js'
import type { Charge } from './shapes.js'

/** Counters, and the slots that charge them. One slot is one charge, however many units share its key (P2). */
export interface Slots {
  isHeld(slotKey: string): boolean
  /** Ids of the units that hold it. */
  membersOf(slotKey: string): readonly string[]
  /** Under the limit of this call (R14). */
  fits(charge: Charge): boolean
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
  readonly unitIds: string[]
}

export function createSlots(): Slots {
  const slots = new TurnoverMap<string, Slot>()
  /** What is charged; a counter that nothing charges is not there. */
  const totals = new Map<string, number>()

  const inUse = (counter: string): number => totals.get(counter) ?? 0

  function charge(counter: string, amount: number): void {
    const total = inUse(counter) + amount
    if (total === 0) totals.delete(counter)
    else totals.set(counter, total)
  }

  return {
    inUse,
    isHeld: (slotKey) => slots.has(slotKey),
    membersOf: (slotKey) => slots.get(slotKey)?.unitIds ?? [],
    fits: ({ counter, amount, limit }) => inUse(counter) + amount <= limit,
    occupy(slotKey, unitId, charges) {
      const held = slots.get(slotKey)
      if (held !== undefined) {
        held.unitIds.push(unitId)
        return
      }
      slots.set(slotKey, { charges, unitIds: [unitId] })
      for (const { counter, amount } of charges) charge(counter, amount)
    },
    release(slotKey, unitId) {
      const slot = slots.get(slotKey)
      const at = slot?.unitIds.indexOf(unitId) ?? -1
      assert(slot !== undefined && at >= 0, `unit ${unitId} holds slot ${slotKey}`)
      slot.unitIds.splice(at, 1)
      if (slot.unitIds.length > 0) return
      slots.delete(slotKey)
      for (const { counter, amount } of slot.charges) charge(counter, -amount)
    },
    unitsOf(counter) {
      const ids: string[] = []
      for (const { charges, unitIds } of slots.values()) {
        if (charges.some((charge) => charge.counter === counter)) ids.push(...unitIds)
      }
      return ids
    },
  }
}
