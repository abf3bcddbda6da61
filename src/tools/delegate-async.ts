import * as z from 'zod'
import { checkedTasks } from './checked-tasks.js'
import { checkMaySpawn, startHere } from './delegate-task.js'
import { delegateToPeerAsync, localWorkspace, taskForPeer, workspaceOf } from './peers.js'
import { shownId, textOf, ToolProblem, type ToolSpec } from './tool-spec.js'
import type { JsonObject } from '../runner.js'

export const delegateTaskAsync: ToolSpec = {
  name: 'delegate_task_async',
  section: 'delegation',
  isHostsOnly: true,
  short: ({ maxUnits }) =>
    `Hand one task to a subagent, or to a peer, and get its task id at once (at most ${maxUnits} delegations at once).`,
  whenToUse: (arrival) =>
    'Use it for one task whose state you want to look at with `check_task_status`. A task without `workspace_id` goes to a ' +
    {
      turn: 'subagent here, and its result also arrives as a new turn.',
      request: 'subagent here.',
      answer: 'subagent here, which needs `delegate_task`: nothing can be told to you later.',
    }[arrival],
  shell: 'hermes-delegate run --detach -r RUNNER --session SESSION "GOAL"',
  input: z.object({
    task: z.string().describe('What has to be done, complete in itself.'),
    workspace_id: z
      .string()
      .optional()
      .describe(`The peer that is to do it. Default '${localWorkspace}': a subagent here.`),
    context: z.string().optional().describe('What it should know besides.'),
  }),
  prepare(input, host) {
    checkMaySpawn(host)
    return input
  },
  async run({ task, workspace_id: workspace, context }, host) {
    const workspaceId = workspaceOf(workspace)
    const goal = textOf(task)
    if (goal === null) throw new ToolProblem("'task' is required.")
    if (workspaceId !== null) {
      const id = await delegateToPeerAsync(workspaceId, taskForPeer(goal, textOf(context)), host)
      return handle(id, workspaceId, 'The peer works on it; look at it with check_task_status now and then.')
    }
    if (!host.acceptsLaterResults)
      throw new ToolProblem(
        'Nothing can be told to you later here: use delegate_task, which waits for the results.',
      )
    const { tasks } = checkedTasks({ goal, ...(context !== undefined && { context }) }, host)
    const started = await startHere(tasks, host)
    if ('dispatched' in started)
      return handle(started.dispatched.delegationId, localWorkspace, host.dispatchNote)
    const { delegation_id: id = '', ...ended } = started.results
    const isDone = started.results.results.some(({ status: end }) => end === 'completed' || end === 'success')
    const status = isDone ? 'completed' : 'failed'
    return { success: true, task_id: id, workspace_id: localWorkspace, status, ...ended }
  },
}

function handle(id: string, workspaceId: string, note: string): JsonObject {
  return {
    success: true,
    task_id: id,
    workspace_id: shownId(workspaceId),
    status: 'delegated',
    message: `Task delegated as ${id}.`,
    note,
  }
}
