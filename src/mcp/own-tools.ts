/**
 * What an MCP client needs beside the registry. Nothing can be told to it between its turns, so it asks: `wait`, `collect`;
 * and it has no shell: `interrupt`, `answer`, `capacity`.
 */
import * as z from 'zod'
import { DelegationError, type Completion, type DelegationRecord } from '../index.js'
import type { Json, JsonObject } from '../runner.js'
import {
  isOwn,
  ownUnit,
  shownText,
  ToolProblem,
  toolSpecs,
  type ToolHost,
  type ToolSpec,
} from '../tools/tools.js'
import { whileWanted, type CallScope } from './call-scope.js'

const defaultWaitSeconds = 50
const longestWaitSeconds = 3_600
const collectLimit = 20

const unit = z.string().describe('The `task_id` or `delegation_id` that it was started as.')

// A schema takes longer to make than a call to answer: each is made once.
const noInput = z.object({})
const waitInput = z.object({
  task_id: unit,
  timeout_seconds: z
    .number()
    .optional()
    .describe(`How long to wait, from 0 to ${longestWaitSeconds} seconds. Default ${defaultWaitSeconds}.`),
})

/** @throws {ToolProblem} for an id that is none of this session's. */
async function own(given: Json | undefined, host: ToolHost): Promise<DelegationRecord> {
  const id = given as string
  const record = await ownUnit(id, host)
  if (record === null)
    throw new ToolProblem(`Task not found: ${id.slice(0, 80)}.`, {
      task_id: id.slice(0, 80),
      status: 'not_found',
    })
  return record
}

/** How a unit stands, in the words of `check_task_status`. */
export async function statusOf(id: string, host: ToolHost): Promise<JsonObject> {
  const check = toolSpecs.find(({ name }) => name === 'check_task_status')
  if (check === undefined) throw new TypeError('the registry has no check_task_status')
  return check.run({ task_id: id }, host)
}

function waitTool(scope: CallScope): ToolSpec {
  return {
    ...delegation('wait', () => 'Wait until a task that was delegated has ended, and get its result.'),
    whenToUse:
      'Use it when you can do nothing else until the result is there. After `timeout_seconds` it answers `in_progress`, and ' +
      'the task goes on; so it does when you give up waiting.',
    shell: 'hermes-delegate wait ID',
    input: waitInput,
    async run({ task_id: task, timeout_seconds: seconds = defaultWaitSeconds }, host) {
      if (!((seconds as number) >= 0 && (seconds as number) <= longestWaitSeconds))
        throw new ToolProblem(
          `'timeout_seconds' is from 0 to ${longestWaitSeconds}, got ${JSON.stringify(seconds)}.`,
        )
      const { delegation_id: id } = await own(task, host)
      await waitForEnd(id, (seconds as number) * 1_000, host, scope)
      return statusOf(id, host)
    },
  }
}

/** Who is told of the end here is not told again by `collect`; one who has gone meanwhile is. */
export async function waitForEnd(
  id: string,
  timeoutMs: number | undefined,
  { delegator }: Pick<ToolHost, 'delegator'>,
  scope: CallScope,
): Promise<void> {
  const unfollow = scope.follow(delegator, id)
  const ending = delegator.waitAndClaim(id, timeoutMs === undefined ? {} : { timeoutMs })
  try {
    const { completion } = await whileWanted(ending, scope.signal)
    if (completion !== null) verdictOn([completion], scope)
  } catch (error) {
    if (scope.signal.aborted)
      void ending.then(
        ({ completion }) => completion?.defer(0),
        () => undefined,
      )
    if (!(error instanceof DelegationError && error.code === 'WAIT_TIMEOUT')) throw error
  } finally {
    unfollow()
  }
}

function verdictOn(completions: readonly Completion[], scope: CallScope): void {
  scope.onAnswered({
    taken: () => Promise.all(completions.map((completion) => completion.ack())),
    lost: () => Promise.all(completions.map((completion) => completion.defer(0))),
  })
}

function collectTool(scope: CallScope): ToolSpec {
  return {
    ...delegation(
      'collect',
      () =>
        'Get what came in since you last asked: ends of tasks, and questions of subagents, each of them once.',
    ),
    whenToUse:
      'Use it between other work to learn what has ended, and at the start of a conversation: results of tasks that were ' +
      'started earlier are kept for you.',
    shell: 'hermes-delegate drain',
    input: noInput,
    async run(_input, host) {
      const select = { sessionKey: host.sessionKey(), limit: collectLimit }
      const completions = await host.delegator.completions.claim(select)
      verdictOn(completions, scope)
      const collected = await Promise.all(completions.map((completion) => collectedFrom(completion, host)))
      return {
        count: collected.length,
        completions: collected,
        ...(collected.length === collectLimit && { note: 'There may be more: call collect again.' }),
      }
    },
  }
}

/** A notice or a question as the text that hands it over; an end in the words of `check_task_status`. */
async function collectedFrom({ event, text }: Completion, host: ToolHost): Promise<JsonObject> {
  if (event.status !== 'running') return statusOf(event.delegation_id, host)
  const { delegation_id: id, question } = event
  const asked = question === undefined ? {} : { question_id: question.question_id }
  return { task_id: id, status: 'in_progress', ...asked, text }
}

const interruptTool: ToolSpec = {
  ...delegation(
    'interrupt',
    () => 'Stop a task that was delegated, or all of yours; what had finished is kept.',
  ),
  whenToUse: 'Use it when the result is not wanted any more. It answers once the subagents are stopped.',
  shell: 'hermes-delegate interrupt ID',
  input: z.object({
    task_id: unit.optional(),
    all: z.boolean().optional().describe('True: all of your tasks.'),
    reason: z.string().optional().describe('What the subagents are told.'),
  }),
  async run({ task_id: task, all, reason = 'stopped by the client' }, host) {
    const { delegator } = host
    const options = { reason: reason as string }
    if (all === true && task === undefined)
      return { ...(await delegator.interruptForSession({ sessionKey: host.sessionKey() }, options)) }
    if (task === undefined || all === true)
      throw new ToolProblem("Give a 'task_id', or 'all': true; one of the two.")
    const { delegation_id: id } = await own(task, host)
    return { task_id: id, ...(await delegator.interrupt(id, options)) }
  },
}

const answerTool: ToolSpec = {
  ...delegation('answer', () => 'Answer the question that a subagent waits with.'),
  whenToUse: 'Use it for the questions that `collect` brings.',
  shell: 'hermes-delegate answer ID TEXT',
  input: z.object({
    task_id: unit,
    text: z.string().describe('The answer.'),
    question_id: z.string().optional().describe('Which question, where several wait.'),
  }),
  async run({ task_id: task, text, question_id: question }, host) {
    const { delegation_id: id } = await own(task, host)
    const which = question === undefined ? {} : { questionId: question as string }
    const { status, questions = [] } = await host.delegator.answer(id, text as string, which)
    if (status === 'answered') return { task_id: id, status }
    const open = questions.map(({ question_id, text: asked }) => ({ question_id, text: shownText(asked) }))
    throw new ToolProblem(`The answer was not taken: ${status}.`, { task_id: id, status, questions: open })
  },
}

const capacityTool: ToolSpec = {
  ...delegation('capacity', () => 'Tell how many delegations may run at once, and which of yours do.'),
  whenToUse: 'Use it after a refusal, or before you delegate much.',
  shell: 'hermes-delegate capacity',
  input: noInput,
  async run(_input, host) {
    const { delegator } = host
    const { limit, inUse, free, scope, holders } = await delegator.capacity({
      sessionKey: host.sessionKey(),
    })
    const records = await delegator.list({ live: true })
    const ids = new Set(
      records.filter((record) => isOwn(record, host)).map(({ delegation_id }) => delegation_id),
    )
    // Other sessions' slots count, what they do with them is theirs.
    const ownHolders = holders.filter(({ delegation_id }) => ids.has(delegation_id))
    return {
      limit,
      in_use: inUse,
      free,
      scope,
      holders: ownHolders.map(({ goal, ...holder }) => ({ ...holder, goal: shownText(goal).slice(0, 200) })),
    }
  },
}

function delegation(name: string, short: ToolSpec['short']): Pick<ToolSpec, 'name' | 'section' | 'short'> {
  return { name, section: 'delegation', short }
}

export const unscopedTools: readonly ToolSpec[] = [interruptTool, answerTool, capacityTool]

/** In the order of the listing. */
export function ownTools(scope: CallScope): readonly ToolSpec[] {
  return [waitTool(scope), collectTool(scope), ...unscopedTools]
}
