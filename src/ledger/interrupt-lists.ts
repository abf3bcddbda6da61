import type { InterruptAnswer, InterruptRequest, UnitRecord } from './shapes.js'

type Interrupts = Pick<UnitRecord, 'interrupts' | 'interruptReports'>

/** Interrupts of one unit that wait for an answer, and answers that are kept: the newest. */
const limit = 1_000

/** One more waits. */
export function withRequest(
  { interrupts }: Interrupts,
  request: InterruptRequest,
): Pick<Interrupts, 'interrupts'> {
  return { interrupts: [...interrupts.slice(1 - limit), request] }
}

/** The one that was answered waits no more, and how it went is kept. */
export function withAnswer(
  { interrupts, interruptReports }: Interrupts,
  answer: InterruptAnswer,
): Interrupts {
  return {
    interrupts: interrupts.filter(({ requestId }) => requestId !== answer.requestId),
    interruptReports: [...interruptReports.slice(1 - limit), answer],
  }
}
