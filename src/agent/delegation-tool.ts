import { jsonSchema } from 'ai'
import { redact, type Delegated, type JsonObject, type RunnerContext, type RunnerTask } from '../runner.js'
import { checkedTasks, delegateTaskShape, ignoredNote } from '../tools/checked-tasks.js'
import { inputObject, jsonSchemaOf, readInput } from '../tools/read-input.js'
import { textOf, ToolProblem } from '../tools/tool-spec.js'
import { delegateTaskName, ToolError, type AgentTool } from './agent-tool.js'
import { bounded, toolResultCharacters } from './bounded-text.js'

/**
 * `delegate_task` in the hands of a child: it waits, and the results are its own to sum up (spec 4.5). What is below it has
 * its runner and its toolsets: a model names neither (spec 4.1). What a model sends is read by the registry's own rules.
 */
export function delegationTool(
  delegate: RunnerContext['delegate'],
  { levels, tasks: most }: NonNullable<RunnerTask['below']>,
): AgentTool {
  // How deep the child stands it is not told: what counts is what is left below it.
  const limits = { maxConcurrentChildren: most, maxDepth: levels, orchestratorEnabled: true }
  const rules = { delegator: { limits }, child: { depth: 0 } }
  return {
    name: delegateTaskName,
    description:
      `Hand work to subagents with a context of their own, and wait for their results (at most ${most} tasks a call, ` +
      'which run in parallel). Use it for work that falls into independent parts, or that would fill your context.',
    schema: jsonSchema(jsonSchemaOf(delegateTaskShape)),
    async run(given) {
      try {
        // Whatever a model says of it, the host decides.
        const asks = Object.entries(inputObject(given)).filter(([name]) => name !== 'background')
        const { values, ignored } = readInput(delegateTaskShape, Object.fromEntries(asks))
        const action = textOf(values['action'])?.trim() ?? 'spawn'
        if (action !== 'spawn') return controlled(action, values)
        if (![null, 'local'].includes(textOf(values['workspace_id'])))
          throw new ToolError('No peers configured: use a goal for a subagent, or do it yourself.')
        const { tasks, warnings } = checkedTasks({ ...values, goal: values['goal'] ?? values['task'] }, rules)
        const notes = [...warnings, ...(ignored.length > 0 ? [ignoredNote(ignored)] : [])]
        // All report together: there is no later turn for a group of them.
        const asked = tasks.map(({ goal, role, context, outputSchema }) => ({
          goal,
          role,
          ...(context !== undefined && { context }),
          ...(outputSchema !== undefined && { outputSchema }),
        }))
        return shown(await delegate({ tasks: asked }), notes.join(' '))
      } catch (error) {
        throw error instanceof ToolProblem ? new ToolError(error.message) : error
      }
    },
  }
}

/** While it runs nothing else does that the child could have started: it waits for each call. */
function controlled(action: string, { subagent_id: id, message }: JsonObject): string {
  if (action === 'list') return JSON.stringify({ action, count: 0, subagents: [] })
  if (action !== 'steer' && action !== 'stop')
    throw new ToolError(`Unknown action '${action.slice(0, 60)}'. Use spawn (default), list, steer, or stop.`)
  if (action === 'steer' && textOf(message) === null) throw new ToolError("Action 'steer' needs a 'message'.")
  const subagentId = textOf(id)
  throw new ToolError(
    subagentId === null
      ? `Action '${action}' needs a 'subagent_id'; action 'list' has them.`
      : `No live subagent '${subagentId.slice(0, 80)}' in this conversation's spawn tree; action 'list' has those that run.`,
  )
}

/** @throws {ToolError} for a refusal. */
function shown({ status, results = [], total_duration_seconds, error }: Delegated, note: string): string {
  if (status === 'rejected')
    throw new ToolError(
      `${error ?? 'it was refused'}. Nothing was started. Do not retry in a loop: do this work yourself, or leave it and say so`,
    )
  const share = Math.floor((toolResultCharacters * 0.8) / Math.max(1, results.length))
  return JSON.stringify({
    results: results.map((entry) => shownEntry(entry, share)),
    ...(total_duration_seconds !== undefined && { total_duration_seconds }),
    ...(error !== null && { error: redact(error) }),
    ...(note !== '' && { note }),
  })
}

const shownFields = [
  ...['task_index', 'status', 'summary', 'error', 'exit_reason', 'failure_reason', 'schema_errors'],
  ...['api_calls', 'duration_seconds', 'summary_full_path'],
] as const

/** What children said is data; each has its share of what one result of a tool may have. */
function shownEntry(entry: JsonObject, share: number): JsonObject {
  const known = shownFields.map((name) => [name, entry[name]] as const)
  return Object.fromEntries(
    known
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => [name, typeof value === 'string' ? bounded(redact(value), share) : value]),
  )
}
