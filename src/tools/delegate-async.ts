import * as z from 'zod'
import { checkedTasks } from './checked-tasks.js'
import { checkMaySpawn, refused } from './delegate-task.js'
import { peersOf, toPeer } from './peers.js'
import { textOf, ToolProblem, type ToolSpec } from './tool-spec.js'
import type { JsonObject } from '../runner.js'

/** What stands for a workspace where there is none: this host's own subagents. */
export const localWorkspace = 'local'

export const delegateTaskAsync: ToolSpec = {
  name: 'delegate_task_async',
  section: 'delegation',
  short: ({ maxUnits }) =>
    `Hand one task to a subagent, or to a peer, and get its task id at once (at most ${maxUnits} delegations at once).`,
  whenToUse:
    'Use it for one task whose state you want to look at with `check_task_status`. A task without `workspace_id` goes to a ' +
    'subagent here, and its result also arrives as a new turn.',
  shell: 'hermes-delegate run --detach "GOAL"',
  input: z.object({
    task: z.string().describe('What has to be done, complete in itself.'),
    workspace_id: z
      .string()
      .optional()
      .describe(`The peer that is to do it. Default '${localWorkspace}': a subagent here.`),
    context: z.string().optional().describe('What a subagent should know besides.'),
  }),
  prepare(input, host) {
    checkMaySpawn(host)
    return input
  },
  async run({ task, workspace_id: workspace, context }, host) {
    const workspaceId = textOf(workspace) ?? localWorkspace
    const goal = textOf(task)
    if (goal === null) throw new ToolProblem("'task' is required.")
    if (workspaceId !== localWorkspace) {
      const peers = peersOf(host)
      const id = await toPeer(workspaceId, () => peers.delegateAsync(workspaceId, goal))
      return handle(id, workspaceId, 'The peer works on it; look at it with check_task_status now and then.')
    }
    if (host.child !== null || !host.acceptsLaterResults)
      throw new ToolProblem(
        'Nothing can be told to you later here: use delegate_task, which waits for the results.',
      )
    const { tasks } = checkedTasks({ goal, ...(context !== undefined && { context }) }, host)
    const outcome = await host.delegator.dispatchBatch({ tasks, sessionKey: host.sessionKey() })
    if (outcome.status === 'rejected')
      throw refused(outcome.error, outcome.refusal as unknown as JsonObject | undefined)
    return handle(outcome.delegationId, localWorkspace, host.dispatchNote)
  },
}

function handle(id: string, workspaceId: string, note: string): JsonObject {
  return {
    success: true,
    task_id: id,
    workspace_id: workspaceId,
    status: 'delegated',
    message: `Task delegated as ${id}.`,
    note,
  }
}
