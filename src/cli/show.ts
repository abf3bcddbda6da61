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
    const below = await delegator.list({ parentId: id })
    if (options.json === true) printJson({ record, deliveries, below })
    else print(record, deliveries, below)
    return exitCodes.ok
  } finally {
    await opened.close()
  }
}

function print(
  record: DelegationRecord,
  deliveries: readonly DeliveryView[],
  below: readonly DelegationRecord[],
): void {
  const now = Date.now() / 1000
  const facts = [
    ['id', record.delegation_id],
    ['status', record.status],
    ['goal', record.goal],
    ['session', record.session_key || '-'],
    ...(record.call_id === undefined ? [] : [['call', callOf(record)]]),
    ...(record.parent_id === undefined ? [] : [['parent', parentOf(record)]]),
    ...(record.continues === undefined ? [] : [['goes on', `from ${record.continues.delegation_id}`]]),
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
  if (below.length > 0) {
    printOut('\n')
    printTable([
      ['UNIT', 'STATUS', 'BY TASK', 'GOAL'],
      ...below.map(({ delegation_id: unit, status, parent_task_index: index = 0, goal }) => [
        unit,
        status,
        String(index + 1),
        goal,
      ]),
    ])
  }
  for (const { task_index, question } of record.children)
    if (question !== undefined) printText(`\ntask ${task_index + 1} asks: ${question.text}`)
  for (const { state, attempts, reason, event } of deliveries) {
    const failed = attempts === 0 ? '' : `, ${attempts} failed`
    printText(`\ndelivery: ${state}${failed}${reason === null ? '' : ` (${reason})`}`)
    printText(completionText(event, false))
  }
}

function callOf({ call_id: id = '', group }: DelegationRecord): string {
  return group === undefined ? id : `${id}, group ${group}`
}

function parentOf({ parent_id: id = '', parent_task_index: index = 0 }: DelegationRecord): string {
  return `${id}, task ${index + 1}`
}
