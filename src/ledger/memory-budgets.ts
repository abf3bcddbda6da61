import { isBudget, spentOf } from './budget-rules.js'
import type { Charge, Settlement, Spent } from './shapes.js'

/** Counters of what is used up: a unit reserves, or spends, of them what is its own, whichever slot it has. */
export interface Budgets {
  fits(charge: Charge): boolean
  /** Returns what it spent for good. */
  charge(unitId: string, charges: readonly Charge[]): readonly Spent[]
  /** The end of a unit: what it had reserved becomes what it spent. */
  settle(unitId: string, actual: Settlement['actual']): readonly Spent[]
  /** A unit of which nothing ran gives all of it back. */
  withdraw(unitId: string): void
  inUse(counter: string): number
  spent(counter: string): number
  /** Ids of the units that have a part of it reserved, oldest first. */
  unitsOf(counter: string): string[]
}

interface Total {
  readonly reserved: number
  readonly spent: number
}

const nothing: Total = { reserved: 0, spent: 0 }
const none: readonly Spent[] = []

export function createBudgets(): Budgets {
  const totals = new Map<string, Total>()
  const chargesOf = new Map<string, readonly Charge[]>()

  const totalOf = (counter: string): Total => totals.get(counter) ?? nothing

  function move(counter: string, reserved: number, spent: number): Spent {
    const before = totalOf(counter)
    const after = { reserved: before.reserved + reserved, spent: before.spent + spent }
    if (after.reserved === 0 && after.spent === 0) totals.delete(counter)
    else totals.set(counter, after)
    return { counter, before: before.spent, after: after.spent }
  }

  function take(unitId: string): readonly Charge[] {
    const charges = chargesOf.get(unitId) ?? []
    chargesOf.delete(unitId)
    return charges
  }

  const inUse = (counter: string): number => totalOf(counter).reserved + totalOf(counter).spent

  return {
    inUse,
    spent: (counter) => totalOf(counter).spent,
    fits: ({ counter, amount, limit }) => inUse(counter) + amount <= limit,
    charge(unitId, charges) {
      const own = charges.filter(isBudget)
      if (own.length === 0) return none
      chargesOf.set(unitId, own)
      return own.flatMap(({ counter, amount, atSettle }) => {
        const spent = atSettle === 'keep'
        const moved = move(counter, spent ? 0 : amount, spent ? amount : 0)
        return spent ? [moved] : []
      })
    },
    settle: (unitId, actual) =>
      take(unitId)
        .filter(({ atSettle }) => atSettle === 'actual')
        .map(({ counter, amount }) => move(counter, -amount, spentOf(counter, amount, actual))),
    withdraw(unitId) {
      for (const { counter, amount, atSettle } of take(unitId)) {
        if (atSettle === 'keep') move(counter, 0, -amount)
        else move(counter, -amount, 0)
      }
    },
    unitsOf: (counter) =>
      [...chargesOf]
        .filter(([, charges]) => charges.some((charge) => isOf(charge, counter)))
        .map(([unitId]) => unitId),
  }
}

const isOf = ({ counter, atSettle }: Charge, name: string): boolean =>
  counter === name && atSettle === 'actual'
