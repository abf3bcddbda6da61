import type { InterruptReport } from '../index.js'
import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, printJson, printOut } from './render.js'
import { selectionOf, type SelectionOptions } from './selection.js'
import { UsageError } from './usage-error.js'

/** Options of `interrupt`, as commander hands them over. */
export interface InterruptOptions extends CommandOptions, SelectionOptions {
  readonly reason?: string
  /** From 1. */
  readonly task?: number
}

/** Stops units, whichever process runs them. Fails when something of them could not be reached. */
export async function interrupt(ids: readonly string[], options: InterruptOptions): Promise<number> {
  const { session, all, json, task } = options
  const reason = options.reason ?? 'interrupted by the user'
  if (ids.length > 0 && (session !== undefined || all === true))
    throw new UsageError('give ids, or --session KEY, or --all: one of the three')
  if (task !== undefined && ids.length !== 1)
    throw new UsageError('--task N stops one child of one unit: give its id')
  const selection = ids.length > 0 ? null : selectionOf(options)
  const opened = await openDelegator(options)
  try {
    const { delegator } = opened
    const given = { reason, ...(task !== undefined && { taskIndex: task - 1 }) }
    const report =
      selection === null
        ? await delegator.interrupt(ids, given)
        : await delegator.interruptForSession(selection, given)
    if (json === true) printJson(report)
    else printOut(`${told(report)}\n`)
    return report.unreachable === 0 ? exitCodes.ok : exitCodes.failed
  } finally {
    await opened.close()
  }
}

function told({ units, signalled, stopped, escalated, unreachable }: InterruptReport): string {
  if (units === 0) return 'nothing of it runs'
  const subagents = signalled === 1 ? '1 subagent' : `${signalled} subagents`
  return (
    `${units === 1 ? '1 unit' : `${units} units`} with ${subagents}: ${stopped} stopped by themselves, ` +
    `${escalated} by force, ${unreachable} could not be reached`
  )
}
