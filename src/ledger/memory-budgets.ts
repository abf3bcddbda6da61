import { drawn, isBudget, type Reservation } from './budget-rules.js'
import type { Charge, Settlement, Spent, UnitDraft } from './shapes.js'

/** Counters of what is used up: units reserve, or spend, of them, whichever slots they have. */
export interface Budgets {
  fits(charge: Charge): boolean
  /** Returns what was spent for good. */
  charge(unit: Pick<UnitDraft, 'id' | 'slotKey'>, charges: readonly Charge[]): readonly Spent[]
  /** The end of a unit, which may be the last one of its slot. */
  settle(
    unit: Pick<UnitDraft, 'id' | 'slotKey'>,
    actual: Settlement['actual'],
    isLast: () => boolean,
  ): readonly Spent[]
  /** A unit of which nothing ran gives back all that it was charged. */
  withdraw(unit: Pick<UnitDraft, 'id' | 'slotKey'>): void
  inUse(counter: string): number
  spent(counter: string): number
}

interface Total {
  readonly reserved: number
  readonly spent: number
}

interface SlotBudget {
  reservations: readonly Reservation[]
  /** Spent by units that may still be withdrawn. */
  kept: readonly Reservation[]
}

const nothing: Total = { reserved: 0, spent: 0 }
const none: readonly Spent[] = []

export interface MemoryBudgets extends Budgets {
  /** Ids of the units that have a part of it reserved, oldest first. */
  unitsOf(counter: string): string[]
}

export function createBudgets(): MemoryBudgets {
  const totals = new Map<string, Total>()
  const slots = new Map<string, SlotBudget>()

  const totalOf = (counter: string): Total => totals.get(counter) ?? nothing

  function move(counter: string, reserved: number, spent: number): Spent {
    const before = totalOf(counter)
    const after = { reserved: before.reserved + reserved, spent: before.spent + spent }
    if (after.reserved === 0 && after.spent === 0) totals.delete(counter)
    else totals.set(counter, after)
    return { counter, before: before.spent, after: after.spent }
  }

  const inUse = (counter: string): number => totalOf(counter).reserved + totalOf(counter).spent

  return {
    inUse,
    spent: (counter) => totalOf(counter).spent,
    fits: ({ counter, amount, limit }) => inUse(counter) + amount <= limit,
    charge({ id, slotKey }, charges) {
      const own = charges.filter(isBudget)
      if (own.length === 0) return none
      const slot = slots.get(slotKey) ?? { reservations: [], kept: [] }
      slots.set(slotKey, slot)
      return own.flatMap(({ counter, amount, atSettle }) => {
        const charged = { unit: id, counter, amount }
        if (atSettle === 'keep') {
          slot.kept = [...slot.kept, charged]
          return [move(counter, 0, amount)]
        }
        slot.reservations = [...slot.reservations, charged]
        move(counter, amount, 0)
        return []
      })
    },
    settle({ id, slotKey }, actual, isLast) {
      const slot = slots.get(slotKey)
      if (slot === undefined) return none
      const { moves, left } = drawn(slot.reservations, actual, isLast())
      slot.reservations = left
      slot.kept = slot.kept.filter(({ unit }) => unit !== id)
      if (left.length + slot.kept.length === 0) slots.delete(slotKey)
      return moves.map(({ counter, reserved, spent }) => move(counter, reserved, spent))
    },
    withdraw({ id, slotKey }) {
      const slot = slots.get(slotKey)
      if (slot === undefined) return
      for (const { unit, counter, amount } of slot.reservations) if (unit === id) move(counter, -amount, 0)
      for (const { unit, counter, amount } of slot.kept) if (unit === id) move(counter, 0, -amount)
      slot.reservations = slot.reservations.filter(({ unit }) => unit !== id)
      slot.kept = slot.kept.filter(({ unit }) => unit !== id)
      if (slot.reservations.length + slot.kept.length === 0) slots.delete(slotKey)
    },
    unitsOf: (counter) => [
      ...new Set(
        [...slots.values()].flatMap(({ reservations }) =>
          reservations.filter((each) => each.counter === counter).map(({ unit }) => unit),
        ),
      ),
    ],
  }
}
