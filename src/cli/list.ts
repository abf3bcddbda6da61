import type { DelegationRecord } from '../index.js'
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
    else if (records.length > 0) printTable([header, ...records.map((record) => rowOf(record))])
    else printOut(options.all === true ? 'there are no units\n' : 'nothing runs\n')
    return exitCodes.ok
  } finally {
    await opened.close()
  }
}

const header = ['ID', 'STATUS', 'DELIVERY', 'ENDED', 'AGE', 'PID', 'SESSION', 'GOAL']
const liveWords: ReadonlySet<string> = new Set([
  'waiting',
  'running',
  'queued',
  'input_required',
  'auth_required',
  'stalling',
  'interrupting',
])

function rowOf(record: DelegationRecord): string[] {
  const ended = record.children.filter(({ state }) => !liveWords.has(state)).length
  return [
    record.delegation_id,
    record.status,
    record.delivery_state ?? '-',
    `${ended}/${record.children.length}`,
    duration(Date.now() / 1000 - record.dispatched_at),
    record.completed_at === null ? String(record.owner_pid) : '-',
    record.session_key || '-',
    record.goal,
  ]
}
