/** The names of units. */
import { randomFillSync } from 'node:crypto'
import { DelegationError } from '../core/errors.js'

const idBytes = 10
/** Randomness is drawn for many ids at once. */
const drawn = Buffer.alloc(idBytes * 400)
let drawnAt = drawn.length
const ticksPerSecond = 16
const timeDigits = 9

/**
 * `deleg_` and 20 hex digits (DESIGN 3): eight, as in the original (R7), collide within 100,000. The first nine count
 * sixteenths of seconds, so that what is written at one time stands together in the index of a file, however large that
 * is; the others are random.
 */
export function newDelegationId(now: number): string {
  if (drawnAt + idBytes > drawn.length) {
    randomFillSync(drawn)
    drawnAt = 0
  }
  drawnAt += idBytes
  const ticks = Math.max(0, Math.floor(now * ticksPerSecond)) || 0
  const time = ticks.toString(16).padStart(timeDigits, '0').slice(-timeDigits)
  return `deleg_${time}${drawn.toString('hex', drawnAt - idBytes, drawnAt).slice(timeDigits)}`
}

/** So many in a row that are taken are no accident. */
const mostTries = 4

/** `admit` with a name of its own; one that is taken has written nothing, and another one is drawn (DESIGN 3). */
export async function withNewId<T>(now: number, admit: (id: string) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await admit(newDelegationId(now))
    } catch (error) {
      const isTaken = error instanceof DelegationError && error.code === 'LEDGER_DUPLICATE'
      if (!isTaken || tries === mostTries) throw error
    }
  }
}
