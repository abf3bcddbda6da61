import type { Completions, DeliveryView, ReadOptions } from '../index.js'
import { openDelegator, type CommandOptions, type Opened } from './open.js'
import { duration, exitCodes, printJson, printOut, printTable } from './render.js'

/** Options of `deliveries list`, as commander hands them over. */
export interface DeliveriesOptions extends CommandOptions {
  readonly all?: boolean
}

const open = ['pending', 'claimed', 'dead', 'dropped'] as const
const pageSize = 500

/** Lists what is not delivered; with `--all` also what is. */
export function listDeliveries(options: DeliveriesOptions): Promise<number> {
  return withCompletions(options, async (completions) => {
    const deliveries = await readAll(completions, options.all === true ? {} : { states: open })
    if (options.json === true) printJson(deliveries)
    else if (deliveries.length === 0) printOut('everything is delivered\n')
    else printTable([header, ...deliveries.map((delivery) => rowOf(delivery))])
    return exitCodes.ok
  })
}

/** Gives what is dead or was dropped fresh attempts, or gives up on it for good. */
export function reopenDeliveries(
  verb: 'retry' | 'dismiss',
  ids: readonly string[],
  options: CommandOptions,
): Promise<number> {
  return withCompletions(options, async (completions) => {
    const done = await completions[verb](ids)
    const report = ids.map((event_id, index) => ({ event_id, done: done[index] ?? false }))
    if (options.json === true) printJson(report)
    else {
      const word = verb === 'retry' ? 'pending again' : 'dismissed'
      for (const { event_id, done: isDone } of report)
        printOut(`${event_id}: ${isDone ? word : 'neither dead nor dropped; left as it is'}\n`)
    }
    return report.every(({ done: isDone }) => isDone) ? exitCodes.ok : exitCodes.failed
  })
}

async function withCompletions(
  options: CommandOptions,
  work: (completions: Completions) => Promise<number>,
): Promise<number> {
  const opened: Opened = await openDelegator(options)
  try {
    return await work(opened.delegator.completions)
  } finally {
    await opened.close()
  }
}

async function readAll(
  completions: Completions,
  which: Pick<ReadOptions, 'states'>,
): Promise<DeliveryView[]> {
  const found: DeliveryView[] = []
  for (;;) {
    const afterSeq = found.at(-1)?.seq ?? 0
    const page = await completions.read({ all: true, ...which, afterSeq, limit: pageSize })
    found.push(...page)
    if (page.length < pageSize) return found
  }
}

const header = ['EVENT', 'STATE', 'FAILED', 'AGE', 'SESSION', 'REASON', 'GOAL']

function rowOf({ event_id, state, attempts, reason, event }: DeliveryView): string[] {
  // An event of the host's own kind need not have what a completion has.
  const { completed_at, session_key, goal, type } = event as Partial<DeliveryView['event']>
  return [
    event_id,
    state,
    String(attempts),
    typeof completed_at === 'number' ? duration(Date.now() / 1000 - completed_at) : '-',
    (session_key ?? '') || '-',
    reason ?? '-',
    goal ?? type ?? '-',
  ]
}
