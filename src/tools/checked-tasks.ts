/** The tasks of a `delegate_task` call, checked in the original's order and words (spec 4.2). */
import * as z from 'zod'
import { isJsonObject, type Json, type JsonObject } from '../runner.js'
import { kindOf, readInput } from './read-input.js'
import { textOf, ToolProblem, type TaskRules } from './tool-spec.js'

const role = z.enum(['leaf', 'orchestrator']).or(z.string())

const taskShape = z.object({
  goal: z
    .string()
    .describe('What this subagent has to do, complete in itself: it knows nothing of this conversation.'),
  context: z.string().optional().describe('What it should know besides: paths, errors, decisions.'),
  role: role
    .optional()
    .describe("'leaf' (default) works by itself; 'orchestrator' may delegate, where depth allows."),
  output_schema: z
    .record(z.string(), z.json())
    .optional()
    .describe('JSON Schema that its answer has to fit.'),
  group: z
    .string()
    .optional()
    .describe('Tasks of one group report together, where completions are independent.'),
})

/** What a model gives `delegate_task`, a host's or a child's: one that knows the one knows the other. */
export const delegateTaskShape = z.object({
  goal: z.string().optional().describe('One task. Give this or `tasks`.'),
  context: z.string().optional().describe('What every subagent of this call should know besides its goal.'),
  tasks: z.array(taskShape).optional().describe('Several tasks that run in parallel.'),
  role: z.string().optional().describe("'leaf' (default) or 'orchestrator', for tasks that do not say."),
  output_schema: z
    .record(z.string(), z.json())
    .optional()
    .describe('JSON Schema that each answer has to fit.'),
  action: z.string().optional().describe("'spawn' (default), 'list', 'steer' or 'stop'."),
  subagent_id: z.string().optional().describe("Which subagent to steer or stop; action 'list' has the ids."),
  message: z.string().optional().describe("What to tell the subagent; for 'steer'."),
  workspace_id: z.string().optional().describe('A peer that is to do `task`, in place of a subagent.'),
  task: z.string().optional().describe('What the peer has to do.'),
  background: z.boolean().optional().describe('Deprecated and ignored: the host decides.'),
})

export interface CheckedTask {
  readonly goal: string
  readonly context?: string
  readonly role: string
  readonly outputSchema?: JsonObject
  readonly group?: string
}

export interface CheckedTasks {
  readonly tasks: readonly CheckedTask[]
  /** What the model should know that it did not get. */
  readonly warnings: readonly string[]
}

const shortestGoal = 10
const placeholderGoal = /^(?:todo|tbd|n\/?a|\.{3}|placeholder|(?:task|goal|subtask)[\s_#-]*\d*)[.:!]?$/i
/** `<feature_name>` and `{file path}`, and nothing that is code: `<T extends x>`, `<my-component>`, `{name}`, `${PATH}`. */
const unexpandedMarker = /<[a-z][a-z0-9]*(?:_[a-z0-9]+)+>|(?<!\$)\{[a-z][a-z0-9]*(?:[_ ][a-z0-9]+)+\}/i
const quotedCode = /`[^`]*`/g

/** @throws {ToolProblem} Nothing is ever cut silently. */
export function checkedTasks(input: JsonObject, host: TaskRules): CheckedTasks {
  const { tasks, goal, context, role: askedRole, output_schema: outputSchema } = input
  const isBatch = Array.isArray(tasks) && tasks.length > 0
  const { maxConcurrentChildren: most } = host.delegator.limits
  if (isBatch && tasks.length > most) {
    throw new ToolProblem(
      `Too many tasks: ${tasks.length} provided, but max_concurrent_children is ${most}. Split them into several ` +
        `calls, one after the other has reported.`,
    )
  }
  if (!isBatch && textOf(goal) === null)
    throw new ToolProblem("Provide either 'goal' (single task) or 'tasks' (batch).")
  const warnings = new Set<string>()
  const given: readonly Json[] = isBatch ? (tasks as readonly Json[]) : [present({ goal })]
  const checked = given.map((item, index) => {
    const task = checkedTask(item, index, warnings)
    if (isBatch) checkGoalOfBatch(task['goal'] as string, index, given.length)
    return taskOf(
      { ...present({ context, role: askedRole, output_schema: outputSchema }), ...task },
      host,
      warnings,
    )
  })
  return { tasks: checked, warnings: [...warnings] }
}

function checkedTask(item: Json, index: number, warnings: Set<string>): JsonObject {
  if (!isJsonObject(item)) throw new ToolProblem(`Task ${index} must be an object, got ${kindOf(item)}.`)
  if (textOf(typeof item['goal'] === 'number' ? String(item['goal']) : item['goal']) === null)
    throw new ToolProblem(`Task ${index} is missing a 'goal'.`)
  const { values, ignored } = readInput(taskShape, item, `Task ${index}`)
  if (ignored.length > 0) warnings.add(ignoredNote(ignored))
  return values
}

/** A model that fans out sometimes sends its own template. */
function checkGoalOfBatch(goal: string, index: number, width: number): void {
  const text = goal.trim()
  const shown = JSON.stringify(text.slice(0, 80))
  if (placeholderGoal.test(text))
    throw new ToolProblem(`Task ${index} has a placeholder as its goal: ${shown}. Say what is to be done.`)
  const marker = unexpandedMarker.exec(text.replaceAll(quotedCode, ''))?.[0]
  if (marker !== undefined)
    throw new ToolProblem(`Task ${index} has a marker in its goal that was not filled in: ${marker}.`)
  if (width > 1 && text.length < shortestGoal)
    throw new ToolProblem(
      `Task ${index} has a goal of ${text.length} characters: ${shown}. In a batch a goal has at least ${shortestGoal}.`,
    )
}

function taskOf(task: JsonObject, host: TaskRules, warnings: Set<string>): CheckedTask {
  const { goal, context, role: asked, output_schema: outputSchema, group } = task
  return {
    goal: goal as string,
    role: roleOf(textOf(asked), host, warnings),
    ...(textOf(context) !== null && { context: context as string }),
    ...(isJsonObject(outputSchema) && { outputSchema }),
    ...(textOf(group) !== null && { group: group as string }),
  }
}

/** A child delegates only if it was asked to, the host lets it, and a level is left below it (spec 4.3). */
function roleOf(asked: string | null, host: TaskRules, warnings: Set<string>): string {
  if (asked === null || asked === 'leaf') return 'leaf'
  if (asked !== 'orchestrator') {
    warnings.add(`There is no role ${JSON.stringify(asked.slice(0, 40))}: the subagent is a leaf.`)
    return 'leaf'
  }
  const depth = (host.child?.depth ?? 0) + 1
  const { orchestratorEnabled, maxDepth } = host.delegator.limits
  return orchestratorEnabled && depth < maxDepth ? 'orchestrator' : 'leaf'
}

export function ignoredNote(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => name.slice(0, 40))
  return `Ignored, as it is not yours to set here: ${shown.join(', ')}.`
}

function present(values: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
