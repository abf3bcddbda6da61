/**
 * The extension `io.modelcontextprotocol/tasks` of 2026-07-28: the server decides what becomes a task, of clients that say
 * that they know tasks. The SDK has no part for it yet.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  type ClientCapabilities,
  type Result,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { DelegationRecord, OpenQuestion } from '../index.js'
import { shownText } from '../tools/tools.js'
import { answering, type CallScope } from './call-scope.js'
import type { McpHost } from './mcp-host.js'
import { waitForEnd } from './own-tools.js'
import { ownTask, resultOf, stopTask } from './task-access.js'
import { hasEnded, task2026 } from './tasks.js'

export const tasksExtension = 'io.modelcontextprotocol/tasks'

const byId = { params: z.looseObject({ taskId: z.string() }) }
/** What a client sends for a question; the SDK takes it out of the parameters, and looks at nothing in it. */
const response = z.looseObject({
  action: z.string(),
  content: z.looseObject({ answer: z.string().optional() }).optional(),
})
const declined = 'No answer: the user declined.'

function capabilitiesOf({ mcpReq: { envelope } }: ServerContext): ClientCapabilities {
  const sent: { readonly [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities } = envelope ?? {}
  return sent[CLIENT_CAPABILITIES_META_KEY] ?? {}
}

export function knowsTasks(ctx: ServerContext): boolean {
  return capabilitiesOf(ctx).extensions?.[tasksExtension] !== undefined
}

/** @throws {MissingRequiredClientCapabilityError} -32021, to a client that says nothing of tasks */
function assertKnowsTasks(ctx: ServerContext): void {
  if (knowsTasks(ctx)) return
  throw new MissingRequiredClientCapabilityError(
    { requiredCapabilities: { extensions: { [tasksExtension]: {} } } },
    'Missing required client capability',
  )
}

/** Cancelling and updating are acknowledged with nothing. */
const acknowledged: Result = { resultType: 'complete' }

export function serveTasks2026({ server }: McpServer, host: McpHost): void {
  server.setRequestHandler('tasks/get', byId, async ({ taskId }, ctx) => {
    assertKnowsTasks(ctx)
    const record = await ownTask(taskId, host)
    const task = await answering(ctx, (scope) => detailed(record, host, ctx, scope))
    return { resultType: 'complete', ...task }
  })
  server.setRequestHandler('tasks/cancel', byId, async ({ taskId }, ctx) => {
    assertKnowsTasks(ctx)
    const record = await ownTask(taskId, host)
    if (!hasEnded(record)) await stopTask(taskId, host)
    return acknowledged
  })
  server.setRequestHandler('tasks/update', byId, async ({ taskId }, ctx) => {
    assertKnowsTasks(ctx)
    const record = await ownTask(taskId, host)
    for (const { question_id: questionId } of questionsOf(record)) {
      const given = response.safeParse(ctx.mcpReq.inputResponses?.[questionId])
      if (!given.success) continue
      const { action, content } = given.data
      const text = action === 'accept' ? (content?.answer ?? declined) : declined
      await host.delegator.answer(taskId, text, { questionId })
    }
    return acknowledged
  })
}

/** A task whose end is told here is told by no `collect` any more. */
async function detailed(
  record: DelegationRecord,
  host: McpHost,
  ctx: ServerContext,
  scope: CallScope,
): Promise<Result> {
  const { delegation_id: id } = record
  if (!hasEnded(record)) {
    const questions = capabilitiesOf(ctx).elicitation === undefined ? [] : questionsOf(record)
    if (questions.length === 0) return { ...task2026(record) }
    const inputRequests = Object.fromEntries(
      questions.map((question) => [question.question_id, elicitation(question)]),
    )
    return { ...task2026(record, true), inputRequests }
  }
  await waitForEnd(id, undefined, host, scope)
  const task = task2026(record)
  if (task.status === 'cancelled') return { ...task }
  return { ...task, result: { resultType: 'complete', ...(await resultOf(id, host)) } }
}

function questionsOf({ children }: DelegationRecord): readonly OpenQuestion[] {
  return children.flatMap(({ question }) => question ?? [])
}

function elicitation({ text, choices }: OpenQuestion): Readonly<Record<string, unknown>> {
  const answer = { type: 'string', ...(choices !== undefined && { enum: choices }) }
  return {
    method: 'elicitation/create',
    params: {
      mode: 'form',
      message: shownText(text),
      requestedSchema: { type: 'object', properties: { answer }, required: ['answer'] },
    },
  }
}
