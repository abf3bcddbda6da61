import type { Dispatched } from '../index.js'
import type { Json, JsonObject } from '../runner.js'
import { checkedTasks, delegateTaskShape, type CheckedTask } from './checked-tasks.js'
import { control, subagentIds } from './control.js'
import { delegateToPeer, taskForPeer, workspaceOf } from './peers.js'
import { refused } from './refused.js'
import { shownResult, shownResults, shownText, type ShownResults } from './shown-results.js'
import { textOf, ToolProblem, type Arrival, type ToolHost, type ToolSpec } from './tool-spec.js'

/** Weak models went on and invented the results; the note says what to do instead (spec 4.4). */
export const waitNote =
  'The subagents run in the background. End your turn now and wait: results arrive by themselves, as a new turn, and only ' +
  'between turns. Do not poll, do not repeat the call, and do not make up what they will say.'
const controlHint =
  "To look at them, say more to one, or stop one: delegate_task with action 'list', 'steer' or 'stop', and a subagent_id."
const transcriptsHint = 'Each file grows while its subagent works; the result is not there.'
const inlineNote =
  'The background was full, so this ran synchronously, at once and over the cap; these are the final results, and nothing ' +
  'more will arrive.'
const noLaterNote =
  'This session cannot receive later results, so this ran synchronously; these are the final results, and nothing more ' +
  'will arrive.'

const afterCall: Readonly<Record<Arrival, string>> = {
  turn: 'After the call end your turn; the results come back as a new turn.',
  answer: 'The call answers when all of them have ended, with their results.',
  request: 'The call answers at once, and its `note` says how you get the results.',
}

export const delegateTask: ToolSpec = {
  name: 'delegate_task',
  section: 'delegation',
  short: ({ maxUnits, maxConcurrentChildren, maxDepth }, arrival) =>
    (arrival === 'answer'
      ? 'Hand work to subagents with a context of their own, and wait for their results '
      : 'Hand work to subagents that run in the background with a context of their own ') +
    `(at most ${maxConcurrentChildren} tasks a call, ${maxUnits} calls at once, depth ${maxDepth}); also lists, steers and ` +
    'stops those that run.',
  whenToUse: (arrival) =>
    'Use it for work that is long, that would fill your context, or that falls into independent parts: one call with ' +
    '`tasks` runs them in parallel. A subagent knows only its goal and context, so say everything that matters. ' +
    `${afterCall[arrival]} With \`workspace_id\` and \`task\` the work goes to a peer.`,
  shell: 'hermes-delegate run --detach -r RUNNER --session SESSION "GOAL" ["GOAL"...]',
  input: delegateTaskShape,
  prepare(input, host) {
    const { action, subagent_id, message } = input
    if (actionOf(action) !== 'spawn') return { action, subagent_id, message }
    checkMaySpawn(host)
    // Whatever a model says there, the host decides.
    return Object.fromEntries(Object.entries(input).filter(([name]) => name !== 'background'))
  },
  async run(input, host) {
    const action = actionOf(input['action'])
    if (action !== 'spawn') return control(action, input, host)
    const workspaceId = workspaceOf(input['workspace_id'])
    if (workspaceId !== null) return spawnAtPeer(workspaceId, input, host)
    const { goal = null, task = null, tasks: batch = [] } = input
    const isTaskRead = textOf(goal) === null && (batch as readonly Json[]).length === 0
    const { tasks, warnings: told } = checkedTasks(isTaskRead ? { ...input, goal: task } : input, host)
    const warnings = task === null || isTaskRead ? told : [...told, taskUnread]
    const result = await spawn(tasks, host)
    const notes = [result['note'], ...warnings].filter((note) => typeof note === 'string')
    return notes.length === 0 ? result : { ...result, note: notes.join(' ') }
  },
}

/** What is no text is found out where the input is read. */
function actionOf(given: Json | undefined): string {
  if (given === undefined || given === null) return 'spawn'
  return typeof given === 'string' ? given.trim() || 'spawn' : 'unreadable'
}

/** @throws {ToolProblem} when the host has paused spawning, or the caller stands on the last level. */
export function checkMaySpawn(host: ToolHost): void {
  if (host.isPaused()) {
    throw new ToolProblem(
      'Delegation spawning is paused. What runs goes on; do the work yourself, or tell the user that delegation is paused.',
    )
  }
  const depth = host.child?.depth ?? 0
  const { maxDepth } = host.delegator.limits
  if (depth >= maxDepth) {
    throw new ToolProblem(
      `Delegation depth limit reached (depth=${depth}, max_spawn_depth=${maxDepth}). Do the work yourself.`,
    )
  }
}

const taskUnread = 'Left out: `task`, which is for peers; `goal` or `tasks` was given.'

/** A peer takes one task, as a text. */
async function spawnAtPeer(workspaceId: string, input: JsonObject, host: ToolHost): Promise<JsonObject> {
  const { task, goal, context } = input
  const [asked = null, unread = null] = [textOf(task), textOf(goal)].filter((text) => text !== null)
  if (asked === null) throw new ToolProblem("A peer needs a 'task' beside 'workspace_id'.")
  const reply = await delegateToPeer(workspaceId, taskForPeer(asked, textOf(context)), host)
  const read = new Set(['workspace_id', 'action', 'task', 'context', ...(unread === null ? ['goal'] : [])])
  const ignored = Object.keys(input).filter((name) => !read.has(name))
  if (ignored.length === 0) return reply
  return { ...reply, note: `The peer got \`task\` and \`context\` alone. Left out: ${ignored.join(', ')}.` }
}

async function spawn(tasks: readonly CheckedTask[], host: ToolHost): Promise<JsonObject> {
  if (host.child !== null) return spawnBelow(tasks, host.child, host)
  const started = await startHere(tasks, host)
  return 'dispatched' in started ? handleOf(started.dispatched, tasks, host) : started.results
}

/** In the background; or, where the host has it so, at once: then these are the results. @throws {ToolProblem} for a refusal */
export async function startHere(
  tasks: readonly CheckedTask[],
  host: ToolHost,
): Promise<{ readonly dispatched: Dispatched } | { readonly results: ShownResults }> {
  const { delegator, onRefusal } = host
  const call = { tasks, sessionKey: host.sessionKey() }
  if (!host.acceptsLaterResults) return { results: await runNow(call, noLaterNote, host) }
  const outcome = await delegator.dispatchBatch(call)
  if (outcome.status === 'dispatched') return { dispatched: outcome }
  const { error, refusal } = outcome
  // A cap of 0 is no cap that is full: the host has switched delegation off.
  const mayRunInline = onRefusal === 'inline' && refusal?.code === 'CAPACITY'
  const inlineCount = inlineCounts.get(delegator.id) ?? 0
  if (!mayRunInline || inlineCount >= refusal.limit)
    throw await refused(error, refusal as unknown as JsonObject | undefined, host)
  inlineCounts.set(delegator.id, inlineCount + 1)
  try {
    return { results: await runNow({ ...call, maxUnits: Number.MAX_SAFE_INTEGER }, inlineNote, host) }
  } finally {
    const left = (inlineCounts.get(delegator.id) ?? 1) - 1
    if (left > 0) inlineCounts.set(delegator.id, left)
    else inlineCounts.delete(delegator.id)
  }
}

/** How many units run inline now, over the cap of their delegator: as many more as the cap allows, at most. */
const inlineCounts = new Map<string, number>()

function handleOf(outcome: Dispatched, tasks: readonly CheckedTask[], host: ToolHost): JsonObject {
  return {
    status: 'dispatched',
    mode: 'background',
    count: tasks.length,
    delegation_id: outcome.delegationId,
    goals: tasks.map(({ goal }) => shownText(goal)),
    ...(outcome.units !== undefined && {
      units: outcome.units.map((unit) => ({
        delegation_id: unit.delegationId,
        group: unit.group,
        task_indexes: unit.taskIndexes,
      })),
    }),
    subagent_ids: subagentIds(outcome, tasks.length),
    control_hint: controlHint,
    ...(outcome.liveTranscripts !== undefined && {
      live_transcripts: { ...outcome.liveTranscripts },
      live_transcripts_hint: transcriptsHint,
    }),
    note: host.dispatchNote,
  }
}

const isAborted = (signal: AbortSignal | null): boolean => signal?.aborted === true

/** Spec 4.5: what a child is told to have ended by, when nobody waits for it any more. */
const parentInterrupted = 'Parent agent interrupted — child did not finish in time'

/** The results are this call's answer, and no drain's. */
async function runNow(
  call: { tasks: readonly CheckedTask[]; sessionKey: string; maxUnits?: number },
  note: string,
  host: ToolHost,
): Promise<ShownResults> {
  const { delegator, signal } = host
  if (isAborted(signal)) throw new ToolProblem('The call was aborted. Nothing was started.')
  const outcome = await delegator.dispatchBatch({
    ...call,
    delivery: 'collect',
    independentCompletions: false,
  })
  if (outcome.status === 'rejected')
    throw await refused(outcome.error, outcome.refusal as unknown as JsonObject | undefined, host)
  const { delegationId } = outcome
  const interrupt = (): void =>
    void delegator.interrupt(delegationId, { reason: parentInterrupted }).catch(() => undefined)
  signal?.addEventListener('abort', interrupt, { once: true })
  // It may have come while the call was admitted.
  if (isAborted(signal)) interrupt()
  try {
    const results = shownResults(await delegator.wait(delegationId, { collect: true }))
    return { ...results, delegation_id: delegationId, note }
  } finally {
    signal?.removeEventListener('abort', interrupt)
  }
}

/** A child waits for what runs below it: it has no later turn. */
async function spawnBelow(
  tasks: readonly CheckedTask[],
  child: NonNullable<ToolHost['child']>,
  host: ToolHost,
): Promise<JsonObject> {
  // All of a call's tasks report together here: there is no later turn for a group of them.
  const given = tasks.map(({ goal, context, role, outputSchema }) => ({
    goal,
    role,
    ...(context !== undefined && { context }),
    ...(outputSchema !== undefined && { outputSchema }),
  }))
  const ended = await child.delegate({ tasks: given })
  const { status, results, total_duration_seconds, error, refusal, delegation_id: id } = ended
  if (status === 'rejected') throw await refused(error ?? 'it was refused', refusal, host)
  return {
    ...(typeof id === 'string' && { delegation_id: id }),
    results: shownResult(results ?? []),
    ...(total_duration_seconds !== undefined && { total_duration_seconds }),
    ...(error !== null && { error: shownResult(error) }),
  }
}
