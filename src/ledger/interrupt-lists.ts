/** Interrupts that one process asks another one for. */
import type { Instant } from '../core/clock.js'

/** How a stop went (P6): `signalled` is the sum of the other three. */
export interface InterruptAnswer {
  readonly requestId: string
  readonly signalled: number
  readonly stopped: number
  readonly escalated: number
  readonly unreachable: number
  /** How many units it reached, with those below. */
  readonly units?: number
}

export interface InterruptRequest {
  readonly requestId: string
  readonly unitId: string
  /** Of one child alone, by its index; null for all of the unit. */
  readonly child: number | null
  readonly reason: string
  readonly graceMs: number
  readonly at: Instant
}

/** The lists that a unit's record has. */
interface Interrupts {
  readonly interrupts: readonly InterruptRequest[]
  readonly interruptReports: readonly InterruptAnswer[]
}

/** Interrupts of one unit that wait for an answer, and answers that are kept: the newest. */
export const interruptLimit = 1_000

/** One more waits. */
export function withRequest(
  { interrupts }: Interrupts,
  request: InterruptRequest,
): Pick<Interrupts, 'interrupts'> {
  return { interrupts: [...interrupts.slice(1 - interruptLimit), request] }
}

/** The one that was answered waits no more, and how it went is kept. */
export function withAnswer(
  { interrupts, interruptReports }: Interrupts,
  answer: InterruptAnswer,
): Interrupts {
  return {
    interrupts: interrupts.filter(({ requestId }) => requestId !== answer.requestId),
    interruptReports: [...interruptReports.slice(1 - interruptLimit), answer],
  }
}
