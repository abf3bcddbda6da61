/** What every ledger does alike with what units spend. */
import type { Charge, Settlement } from './shapes.js'

/** How long it is known what a child used, seconds. */
export const usageKeepSeconds = 90 * 24 * 3600

/** True for a charge of the unit's own, false for one that belongs to its slot. */
export function isBudget({ atSettle = 'release' }: Charge): boolean {
  return atSettle !== 'release'
}

/** What units of a slot have reserved of a counter, and have not spent yet. */
export interface Reservation {
  readonly unit: string
  readonly counter: string
  readonly amount: number
}

/** What an end does to a counter: to what is reserved of it, and to what is spent. */
interface Move {
  readonly counter: string
  readonly reserved: number
  readonly spent: number
}

/**
 * The end of one unit of a slot. What it spent is drawn from what the slot has reserved; the last one gives back what is
 * left. A counter that `actual` does not name is spent whole: nobody knows better.
 */
export function drawn(
  reservations: readonly Reservation[],
  actual: Settlement['actual'] = [],
  isLast: boolean,
): { readonly moves: readonly Move[]; readonly left: readonly Reservation[] } {
  const moves: Move[] = []
  const left: Reservation[] = []
  const counters = new Map<string, Reservation>()
  for (const { unit, counter, amount } of reservations) {
    const { unit: first = unit, amount: sum = 0 } = counters.get(counter) ?? {}
    counters.set(counter, { unit: first, counter, amount: sum + amount })
  }
  for (const { unit, counter, amount } of counters.values()) {
    const known = actual.find((spent) => spent.counter === counter)?.amount
    const rest = isLast || known === undefined ? 0 : Math.max(0, amount - known)
    moves.push({ counter, reserved: rest - amount, spent: known ?? amount })
    // One of nothing stays, too: by it the others know that they have to say what they spend.
    if (!isLast) left.push({ unit, counter, amount: rest })
  }
  return { moves, left }
}
