import type { DelegationRecord } from '../index.js'
import { liveWords } from './live-words.js'
import { openDelegator, type CommandOptions } from './open.js'
import { duration, exitCodes, printJson, printOut, printTable } from './render.js'

/** Options of `list`, as commander hands them over. */
export interface ListOptions extends CommandOptions {
  readonly all?: boolean
}

/** Lists live units of every process, newest first; with `--all` those, too, that have ended. */
export async function list(options: ListOptions): Promise<number> {
  const opened = await openDelegator(options)
  try {
    const records = await opened.delegator.list(options.all === true ? {} : { live: true })
    if (options.json === true) printJson(records)
    else if (records.length > 0) printTable([header, ...inTree(records)])
    else printOut(options.all === true ? 'there are no units\n' : 'nothing runs\n')
    return exitCodes.ok
  } finally {
    await opened.close()
  }
}

const header = ['ID', 'STATUS', 'DELIVERY', 'ENDED', 'AGE', 'PID', 'SESSION', 'GOAL']

/** Newest first; below a unit those that its children started, marked. */
function inTree(records: readonly DelegationRecord[]): string[][] {
  const ids = new Set(records.map(({ delegation_id: id }) => id))
  const below = new Map<string, DelegationRecord[]>()
  for (const record of records) {
    const { parent_id: parent = '' } = record
    const place = ids.has(parent) ? parent : ''
    const siblings = below.get(place)
    if (siblings === undefined) below.set(place, [record])
    else siblings.push(record)
  }
  const rowsBelow = (id: string, level: number): string[][] =>
    (below.get(id) ?? []).flatMap((record) => [
      rowOf(record, level),
      ...rowsBelow(record.delegation_id, level + 1),
    ])
  return rowsBelow('', 0)
}

function rowOf(record: DelegationRecord, level: number): string[] {
  const ended = record.children.filter(({ state }) => !liveWords.has(state)).length
  return [
    record.delegation_id,
    record.status,
    record.delivery_state ?? '-',
    `${ended}/${record.children.length}`,
    duration(Date.now() / 1000 - record.dispatched_at),
    record.completed_at === null ? String(record.owner_pid) : '-',
    record.session_key || '-',
    `${level === 0 ? '' : `${'   '.repeat(level - 1)}└─ `}${record.goal}`,
  ]
}
