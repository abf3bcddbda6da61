import * as z from 'zod'
import { redact, type Delegated, type JsonObject, type RunnerContext, type RunnerTask } from '../runner.js'
import { defineTool, delegateTaskName, ToolError, type AgentTool } from './agent-tool.js'
import { bounded, toolResultCharacters } from './bounded-text.js'

const schemaOfAnswer = z.record(z.string(), z.json()).describe('JSON Schema that its answer has to fit.')
const roleOfTask = z.string().describe("'leaf' (default), or 'orchestrator' where depth allows.")
const contextOfTask = z.string().describe('What it should know besides: paths, errors, decisions.')
const taskShape = z.object({
  goal: z.string().describe('What it has to do, complete in itself: it knows nothing of your conversation.'),
  context: contextOfTask.optional(),
  role: roleOfTask.optional(),
  output_schema: schemaOfAnswer.optional(),
})

type AskedTask = z.output<typeof taskShape>

/**
 * `delegate_task` in the hands of a child: it waits, and the results are its own to sum up (spec 4.5). What is below it has
 * its runner and its toolsets: a model names neither (spec 4.1).
 */
export function delegationTool(
  delegate: RunnerContext['delegate'],
  { levels, tasks: most }: NonNullable<RunnerTask['below']>,
): AgentTool {
  return defineTool({
    name: delegateTaskName,
    description: `Hands work to subagents of your own, waits for all of them, and returns their results; at most ${most} tasks a call, which run in parallel. For work that falls into independent parts, or that would fill your context.`,
    schema: z.object({
      goal: z.string().optional().describe('One task. Give this or `tasks`.'),
      context: contextOfTask.optional(),
      tasks: z.array(taskShape).optional().describe('Several tasks.'),
      role: roleOfTask.optional(),
      output_schema: schemaOfAnswer.optional(),
    }),
    async run({ goal, tasks = [], ...common }) {
      if (tasks.length > most)
        throw new ToolError(
          `Too many tasks: ${tasks.length} provided, but max_concurrent_children is ${most}. Split them into several calls.`,
        )
      if (tasks.length === 0 && (goal ?? '').trim() === '')
        throw new ToolError("Provide either 'goal' (single task) or 'tasks' (batch).")
      const asked = tasks.length > 0 ? tasks : [{ goal: goal ?? '' }]
      const blank = asked.findIndex((task) => task.goal.trim() === '')
      if (blank !== -1) throw new ToolError(`Task ${blank} is missing a 'goal'.`)
      return shown(await delegate({ tasks: asked.map((task) => taskOf({ ...common, ...task }, levels)) }))
    },
  })
}

/** Only what has a level below it may delegate in its turn; any other role is a leaf's (spec 4.3). */
function taskOf({ goal, context, role, output_schema }: AskedTask, levels: number) {
  return {
    goal,
    role: role === 'orchestrator' && levels > 1 ? 'orchestrator' : 'leaf',
    ...(context !== undefined && { context }),
    ...(output_schema !== undefined && { outputSchema: output_schema as JsonObject }),
  }
}

/** @throws {ToolError} for a refusal. */
function shown({ status, results = [], total_duration_seconds, error }: Delegated): string {
  if (status === 'rejected')
    throw new ToolError(
      `${error ?? 'it was refused'}. Nothing was started. Do not retry in a loop: do this work yourself, or leave it and say so`,
    )
  const share = Math.floor((toolResultCharacters * 0.8) / Math.max(1, results.length))
  return JSON.stringify({
    results: results.map((entry) => shownEntry(entry, share)),
    ...(total_duration_seconds !== undefined && { total_duration_seconds }),
    ...(error !== null && { error: redact(error) }),
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
