import { DelegationError, type Delegator } from '../index.js'
import { completionText, isSuccess } from './completion-text.js'
import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, printProblem, handOver } from './render.js'
import { onStopSignal } from './stop-signals.js'

/** Options of `wait`, as commander hands them over. */
export interface WaitOptions extends CommandOptions {
  /** Seconds. */
  readonly timeout?: number
}

/** Waits for units of any process and prints each when it ends. Marks nothing delivered; stopping to wait stops no unit. */
export async function wait(ids: readonly string[], options: WaitOptions): Promise<number> {
  const opened = await openDelegator(options)
  const signals = onStopSignal(() => void opened.delegator.close())
  try {
    const succeeded = await Promise.all(ids.map((id) => waitFor(opened.delegator, id, options)))
    return signals.code ?? (succeeded.every(Boolean) ? exitCodes.ok : exitCodes.failed)
  } finally {
    await opened.close()
    signals.release()
  }
}

/** One that is unknown keeps the others from nothing. */
async function waitFor(delegator: Delegator, id: string, { timeout, json }: WaitOptions): Promise<boolean> {
  try {
    const event = await delegator.wait(id, timeout === undefined ? {} : { timeoutMs: timeout * 1000 })
    await handOver(completionText(event, json))
    return isSuccess(event.status)
  } catch (error) {
    if (!(error instanceof DelegationError)) throw error
    if (error.code !== 'CLOSED') printProblem(error.message)
    return false
  }
}
