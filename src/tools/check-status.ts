import * as z from 'zod'
import type { DelegationRecord } from '../index.js'
import type { JsonObject } from '../runner.js'
import { ownUnitsOf } from './own-units.js'
import { localWorkspace, statusAtPeer, workspaceOf } from './peers.js'
import { guidance, stoppedGuidance, unknownGuidance } from './guidance.js'
import { shownResults, shownText } from './shown-results.js'
import { shownId, textOf, ToolProblem, type ToolHost, type ToolSpec } from './tool-spec.js'

export const checkTaskStatus: ToolSpec = {
  name: 'check_task_status',
  section: 'delegation',
  short: () =>
    'Look at a task that was delegated: pending, in_progress, queued, completed with its result, or failed.',
  whenToUse: (arrival) =>
    'Use it with the `task_id` that `delegate_task_async` gave you, or the `delegation_id` of `delegate_task`; a ' +
    "`subagent_id` shows that subagent's part alone. " +
    (arrival === 'turn'
      ? 'Do not poll in a loop: a local result arrives as a new turn by itself. '
      : 'Do not poll in a loop. ') +
    '`queued` means that the reply will come: do not do it again.',
  shell: 'hermes-delegate show ID',
  input: z.object({
    task_id: z.string().describe('The id of the task.'),
    workspace_id: z
      .string()
      .optional()
      .describe(`Whose task it is. Default '${localWorkspace}': a subagent's here.`),
  }),
  async run({ task_id: task, workspace_id: workspace }, host) {
    const taskId = textOf(task)
    if (taskId === null) throw new ToolProblem("'task_id' is required.")
    const workspaceId = workspaceOf(workspace)
    if (workspaceId !== null) return statusAtPeer(workspaceId, taskId, host)
    const known = { task_id: shownId(taskId), workspace_id: localWorkspace }
    const [record, ...others] = await ownUnitsOf(taskId, host)
    if (record === undefined) {
      const child = await statusOfChild(taskId, host)
      if (child !== null) return { ...known, ...child }
      throw new ToolProblem(`Task not found: ${shownId(taskId)}.`, { ...known, status: 'not_found' })
    }
    if (others.length > 0 || record.delegation_id !== taskId)
      return { ...known, ...(await statusOfCall([record, ...others], host)) }
    return { ...known, ...(await localStatus(record, host)) }
  },
}

/** Of one subagent, `<delegation_id>:<task_index>`; null where there is none. */
async function statusOfChild(subagentId: string, host: ToolHost): Promise<JsonObject | null> {
  const [, id = '', index = ''] = /^(.+):(\d{1,5})$/s.exec(subagentId) ?? []
  const records = id === '' ? [] : await ownUnitsOf(id, host)
  const record = records.find(({ children }) =>
    children.some(({ task_index }) => task_index === Number(index)),
  )
  return record === undefined ? null : localStatus(record, host, Number(index))
}

/** By the table of docs/states.md; `state` is the unit's own word, or that of the one child that was asked for. */
async function localStatus(
  record: DelegationRecord,
  { delegator }: ToolHost,
  index: number | null = null,
): Promise<JsonObject> {
  const children = record.children.filter(({ task_index }) => index === null || task_index === index)
  if (record.completed_at === null) {
    const isQueued = children.length > 0 && children.every((child) => child.state === 'queued')
    const status = isQueued ? 'queued' : 'in_progress'
    const state = index === null ? record.status : (children[0]?.state ?? record.status)
    return { status, state, guidance: guidance[status] }
  }
  const event = await delegator.wait(record.delegation_id)
  const all = shownResults(event)
  const results = all.results.filter(({ task_index }) => index === null || task_index === index)
  const result = index === null ? all : { results }
  const end = index === null ? record.status : results[0]?.['status']
  const state = typeof end === 'string' ? end : record.status
  if (state === 'completed' || state === 'success')
    return { status: 'completed', state, result, guidance: guidance.completed }
  const told = index === null && event.error !== null ? shownText(event.error) : null
  return { status: 'failed', state, ...failureOf(state, results, told), result }
}

/** Who was stopped has not failed by itself, and what was lost with its process may have been done all the same. */
function failureOf(state: string, results: readonly JsonObject[], told: string | null): JsonObject {
  const reasons = results.flatMap(({ error }) => (typeof error === 'string' && error !== '' ? [error] : []))
  const why = told ?? ([...new Set(reasons)].join('; ') || null)
  const ends = results.length === 0 ? [state] : results.map(({ status }) => status)
  if (ends.every((word) => word === 'interrupted'))
    return {
      stopped: true,
      error: why === null ? 'It was stopped.' : `It was stopped: ${why}`,
      guidance: stoppedGuidance,
    }
  const isUnknown = ends.every((word) => word === 'unknown')
  return { error: why ?? `it ended as ${state}`, guidance: isUnknown ? unknownGuidance : guidance.failed }
}

/** Of a call that was split: it has ended when all of its units have, and has failed when all of them have. */
async function statusOfCall(records: readonly DelegationRecord[], host: ToolHost): Promise<JsonObject> {
  const units = await Promise.all(records.map((record) => localStatus(record, host)))
  const shown = records.map(({ delegation_id, group = null, task_indexes = [], status: state }, index) => ({
    delegation_id,
    group: group === null ? null : shownText(group),
    task_indexes,
    status: units[index]?.['status'] ?? null,
    state,
  }))
  const words = shown.map(({ status }) => status)
  const live = words.filter((word) => word === 'in_progress' || word === 'queued')
  if (live.length > 0) {
    const status = live.every((word) => word === 'queued') ? 'queued' : 'in_progress'
    return { status, units: shown, guidance: guidance[status] }
  }
  const results = units.flatMap(({ result }) => (result as unknown as CallResults).results)
  const result = { results: results.sort((a, b) => a.task_index - b.task_index) }
  if (words.includes('completed'))
    return { status: 'completed', units: shown, result, guidance: guidance.completed }
  return { status: 'failed', units: shown, ...failureOf('failed', results, null), result }
}

interface CallResults {
  readonly results: readonly (JsonObject & { readonly task_index: number })[]
}
