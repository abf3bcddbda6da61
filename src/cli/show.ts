import type { DelegationRecord, DeliveryView } from '../index.js'
import { completionText } from './completion-text.js'
import { openDelegator, type CommandOptions } from './open.js'
import { duration, exitCodes, printJson, printOut, printTable, printText } from './render.js'

/** Shows one unit: what was asked for, how far its children are, how far its delivery is, and what came of it. */
export async function show(id: string, options: CommandOptions): Promise<number> {
  const opened = await openDelegator(options)
  try {
    const { delegator } = opened
    const record = await delegator.get(id)
    const deliveries = await delegator.completions.read({ ids: [id] })
    if (options.json === true) printJson({ record, deliveries })
    else print(record, deliveries)
    return exitCodes.ok
  } finally {
    await opened.close()
  }
}

function print(record: DelegationRecord, deliveries: readonly DeliveryView[]): void {
  const now = Date.now() / 1000
  const facts = [
    ['id', record.delegation_id],
    ['status', record.status],
    ['goal', record.goal],
    ['session', record.session_key || '-'],
    ['dispatched', `${duration(now - record.dispatched_at)} ago, by process ${record.owner_pid}`],
    ...(record.completed_at === null ? [] : [['ended', `${duration(now - record.completed_at)} ago`]]),
  ]
  for (const [name = '', value = ''] of facts) printText(`${`${name}:`.padEnd(12)}${value}`)
  printOut('\n')
  printTable([
    ['TASK', 'STATE', 'TRANSCRIPT', 'GOAL'],
    ...record.children.map(({ task_index, state, goal }) => [
      String(task_index + 1),
      state,
      record.live_transcripts?.[String(task_index)] ?? '-',
      goal,
    ]),
  ])
  for (const { state, attempts, reason, event } of deliveries) {
    const failed = attempts === 0 ? '' : `, ${attempts} failed`
    printText(`\ndelivery: ${state}${failed}${reason === null ? '' : ` (${reason})`}`)
    printText(completionText(event, false))
  }
}
