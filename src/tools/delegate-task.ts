import * as z from 'zod'
import type { JsonObject } from '../runner.js'
import { checkedTasks, taskShape, type CheckedTask } from './checked-tasks.js'
import { control } from './control.js'
import { delegateToPeer } from './peers.js'
import { shownResult, shownResults } from './shown-results.js'
import { textOf, ToolProblem, type ToolHost, type ToolSpec } from './tool-spec.js'

/** Weak models went on and invented the results; the note says what to do instead (spec 4.4). */
export const waitNote =
  'The subagents run in the background. End your turn now and wait: results arrive by themselves, as a new turn, and only ' +
  'between turns. Do not poll, do not repeat the call, and do not make up what they will say.'
const noRetryNote =
  'Nothing was started. Do not retry in a loop: no slot gets free while you go on calling. Do this work yourself, or tell ' +
  'the user, and end your turn; a slot is free when a running delegation has reported.'
const inlineNote =
  'The background was full, so this ran synchronously, at once and over the cap; these are the final results, and nothing ' +
  'more will arrive.'
const noLaterNote =
  'This session cannot receive later results, so this ran synchronously; these are the final results, and nothing more ' +
  'will arrive.'

export const delegateTask: ToolSpec = {
  name: 'delegate_task',
  section: 'delegation',
  short: ({ maxUnits, maxConcurrentChildren, maxDepth }) =>
    `Hand work to subagents that run in the background with a context of their own (at most ${maxConcurrentChildren} tasks ` +
    `a call, ${maxUnits} calls at once, depth ${maxDepth}); also lists, steers and stops those that run.`,
  whenToUse:
    'Use it for work that is long, that would fill your context, or that falls into independent parts: one call with ' +
    '`tasks` runs them in parallel. A subagent knows only its goal and context, so say everything that matters. After the ' +
    'call end your turn; the results come back as a new turn. With `workspace_id` and `task` the work goes to a peer.',
  shell: 'hermes-delegate run --detach "GOAL" ["GOAL"...]',
  input: z.object({
    goal: z.string().optional().describe('One task. Give this or `tasks`.'),
    context: z.string().optional().describe('What every subagent of this call should know besides its goal.'),
    tasks: z.array(taskShape).optional().describe('Several tasks that run in parallel.'),
    role: z.string().optional().describe("'leaf' (default) or 'orchestrator', for tasks that do not say."),
    output_schema: z
      .record(z.string(), z.json())
      .optional()
      .describe('JSON Schema that each answer has to fit.'),
    action: z.string().optional().describe("'spawn' (default), 'list', 'steer' or 'stop'."),
    subagent_id: z
      .string()
      .optional()
      .describe("Which subagent to steer or stop; action 'list' has the ids."),
    message: z.string().optional().describe("What to tell the subagent; for 'steer'."),
    workspace_id: z.string().optional().describe('A peer that is to do `task`, in place of a subagent.'),
    task: z.string().optional().describe('What the peer has to do.'),
    background: z.boolean().optional().describe('Deprecated and ignored: the host decides.'),
  }),
  async run(input, host) {
    const action = textOf(input['action']) ?? 'spawn'
    if (action !== 'spawn') return control(action, input, host)
    checkMaySpawn(host)
    const workspaceId = textOf(input['workspace_id'])
    if (workspaceId !== null) return delegateToPeer(workspaceId, textOf(input['task']), host)
    const { tasks, warnings } = checkedTasks(input, host)
    const result = await spawn(tasks, host)
    const notes = [result['note'], ...warnings].filter((note) => typeof note === 'string')
    return notes.length === 0 ? result : { ...result, note: notes.join(' ') }
  },
}

/** @throws {ToolProblem} when the host has paused spawning, or the caller stands on the last level. */
export function checkMaySpawn(host: ToolHost): void {
  if (host.isPaused()) {
    throw new ToolProblem(
      'Delegation spawning is paused. What runs goes on; do the work yourself, or tell the user that delegation is paused.',
    )
  }
  const depth = host.child?.depth ?? 0
  if (depth >= host.maxDepth) {
    throw new ToolProblem(
      `Delegation depth limit reached (depth=${depth}, max_spawn_depth=${host.maxDepth}). Do the work yourself.`,
    )
  }
}

async function spawn(tasks: readonly CheckedTask[], host: ToolHost): Promise<JsonObject> {
  if (host.child !== null) return spawnBelow(tasks, host.child)
  const { delegator, onRefusal } = host
  const call = { tasks, sessionKey: host.sessionKey() }
  if (!host.acceptsLaterResults) return runNow(call, noLaterNote, host)
  const outcome = await delegator.dispatchBatch(call)
  if (outcome.status === 'dispatched') {
    return {
      status: 'dispatched',
      mode: 'background',
      count: tasks.length,
      delegation_id: outcome.delegationId,
      goals: tasks.map(({ goal }) => goal),
      ...(outcome.units !== undefined && {
        units: outcome.units.map((unit) => ({
          delegation_id: unit.delegationId,
          group: unit.group,
          task_indexes: unit.taskIndexes,
        })),
      }),
      note: host.dispatchNote,
    }
  }
  const { refusal } = outcome
  // A cap of 0 is no cap that is full: the host has switched delegation off.
  if (onRefusal === 'inline' && refusal?.code === 'CAPACITY' && refusal.limit > 0)
    return runNow({ ...call, maxUnits: Number.MAX_SAFE_INTEGER }, inlineNote, host)
  throw refused(outcome.error, refusal as unknown as JsonObject | undefined)
}

export function refused(error: string, refusal: JsonObject | undefined): ToolProblem {
  return new ToolProblem(error, { status: 'rejected', ...(refusal && { refusal }), note: noRetryNote })
}

/** The results are this call's answer, and no drain's. */
async function runNow(
  call: { tasks: readonly CheckedTask[]; sessionKey: string; maxUnits?: number },
  note: string,
  { delegator }: ToolHost,
): Promise<JsonObject> {
  const outcome = await delegator.dispatchBatch({
    ...call,
    delivery: 'collect',
    independentCompletions: false,
  })
  if (outcome.status === 'rejected')
    throw refused(outcome.error, outcome.refusal as unknown as JsonObject | undefined)
  const event = await delegator.wait(outcome.delegationId, { collect: true })
  return { ...shownResults(event), note }
}

/** A child waits for what runs below it: it has no later turn. */
async function spawnBelow(
  tasks: readonly CheckedTask[],
  child: NonNullable<ToolHost['child']>,
): Promise<JsonObject> {
  if (tasks.some(({ outputSchema }) => outputSchema !== undefined))
    throw new ToolProblem(
      "'output_schema' is not to be had inside a subagent; say in the goal what you expect.",
    )
  const given = tasks.map(({ goal, context, role }) => ({
    goal,
    role,
    ...(context !== undefined && { context }),
  }))
  const { status, results, total_duration_seconds, error, refusal } = await child.delegate({ tasks: given })
  if (status === 'rejected') throw refused(error ?? 'it was refused', refusal)
  return {
    results: shownResult(results ?? []),
    ...(total_duration_seconds !== undefined && { total_duration_seconds }),
    ...(error !== null && { error: shownResult(error) }),
  }
}
