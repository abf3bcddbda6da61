/** What every ledger does alike with charges of a unit's own. */
import type { Charge, Settlement } from './shapes.js'

/** True for a charge that belongs to the unit, false for one that belongs to its slot. */
export function isBudget({ atSettle = 'release' }: Charge): boolean {
  return atSettle !== 'release'
}

/** What of a reservation was spent. Who does not say has spent it whole: nobody knows better. */
export function spentOf(counter: string, reserved: number, actual: Settlement['actual'] = []): number {
  return actual.find((spent) => spent.counter === counter)?.amount ?? reserved
}
