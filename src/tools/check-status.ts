import * as z from 'zod'
import type { DelegationRecord } from '../index.js'
import type { JsonObject } from '../runner.js'
import { localWorkspace } from './delegate-async.js'
import { ownUnitsOf } from './own-units.js'
import { peersOf } from './peers.js'
import type { PeerTaskStatus } from './peer-directory.js'
import { shownResult, shownResults } from './shown-results.js'
import { textOf, ToolProblem, type ToolHost, type ToolSpec } from './tool-spec.js'

/** What the model must do at each of the five words (R 3.4). */
export const guidance: Readonly<Record<PeerTaskStatus['status'], string>> = {
  pending: 'It has not begun. Wait, and check again later.',
  in_progress: 'It is being worked on. Wait, and check again later; do not start it again.',
  queued:
    'The peer is busy with an earlier task; the reply will arrive. Check now and then, do not delegate it again, do not do ' +
    'the work yourself; tell the user that the peer is busy, and go on with other things.',
  completed: 'Use `result`.',
  failed: 'It has really failed; `error` says why. Only now fall back: another peer, or do it yourself.',
}

export const checkTaskStatus: ToolSpec = {
  name: 'check_task_status',
  section: 'delegation',
  short: () =>
    'Look at a task that was delegated: pending, in_progress, queued, completed with its result, or failed.',
  whenToUse:
    'Use it with the `task_id` that `delegate_task_async` gave you, or the `delegation_id` of `delegate_task`. Do not poll in ' +
    'a loop: a local result arrives as a new turn by itself. `queued` means that the reply will come: do not do it again.',
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
    const workspaceId = textOf(workspace) ?? localWorkspace
    const known = { task_id: taskId, workspace_id: workspaceId }
    if (workspaceId !== localWorkspace) {
      const { status, result, error } = await peersOf(host).status(workspaceId, taskId)
      const told = { ...(result !== undefined && { result }), ...(error !== undefined && { error }) }
      return { ...known, status, ...(shownResult(told) as JsonObject), guidance: guidance[status] }
    }
    const [record, ...others] = await ownUnitsOf(taskId, host)
    if (record === undefined)
      throw new ToolProblem(`Task not found: ${taskId.slice(0, 80)}.`, { ...known, status: 'not_found' })
    if (others.length > 0 || record.delegation_id !== taskId)
      return { ...known, ...(await statusOfCall([record, ...others], host)) }
    return { ...known, ...(await localStatus(record, host)) }
  },
}

/** By the table of docs/states.md; `state` is the unit's own word. */
async function localStatus(record: DelegationRecord, { delegator }: ToolHost): Promise<JsonObject> {
  const { delegation_id: id, status: state, completed_at: endedAt, children } = record
  if (endedAt === null) {
    const isQueued = children.length > 0 && children.every((child) => child.state === 'queued')
    const status = isQueued ? 'queued' : 'in_progress'
    return { status, state, guidance: guidance[status] }
  }
  const event = await delegator.wait(id)
  const result = shownResults(event)
  if (state === 'completed' || state === 'success')
    return { status: 'completed', state, result, guidance: guidance.completed }
  const error = shownResult(event.error ?? `it ended as ${state}`)
  return { status: 'failed', state, error, result, guidance: guidance.failed }
}

/** Of a call that was split: it has ended when all of its units have, and has failed when all of them have. */
async function statusOfCall(records: readonly DelegationRecord[], host: ToolHost): Promise<JsonObject> {
  const units = await Promise.all(records.map((record) => localStatus(record, host)))
  const shown = records.map(({ delegation_id, group = null, task_indexes = [], status: state }, index) => ({
    delegation_id,
    group,
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
  const error = units.flatMap(({ error: each }) => (typeof each === 'string' ? [each] : [])).join('; ')
  return { status: 'failed', units: shown, error, result, guidance: guidance.failed }
}

interface CallResults {
  readonly results: readonly (JsonObject & { readonly task_index: number })[]
}
