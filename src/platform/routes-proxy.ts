/** P14 and P22: messages to a workspace, and what became of those that had to wait. */
import { isJsonObject, type JsonObject } from '../runner.js'
import { parsed } from './answer.js'
import { createGate, type Call, type Caller, type Parts, type Route } from './context.js'
import { headersTo, type Reply } from './courier.js'
import { answer, jsonOf } from './http.js'
import { incomingOf, mostIdCharacters, type Incoming } from './incoming.js'
import { queueView, type MessageRow } from './messages.js'
import { Refused } from './refusal.js'
import { checkRoom } from './routes-delegations.js'
import { sendMethods } from './task-call.js'
import type { WorkspaceRow } from './workspaces.js'

/** Of the caller's headers, what the workspace gets beside the platform's own. */
const passedOn = ['a2a-version', 'a2a-extensions', 'traceparent', 'tracestate', 'baggage'] as const
/** Identities that exist inside the original's platform alone (P3). */
const innerIdentity = /^(?:webhook|system|test|channel):/i
const directMs = 30_000
const busySeconds = 30
const mostDirect = 64

export function createProxyRoutes(parts: Parts): readonly Route[] {
  const { workspaces, messages, courier, http, options, store } = parts
  const gate = createGate(parts)
  let direct = 0

  /** Who calls is said by the bearer alone; a header that says otherwise is refused (P3). */
  function callerOf({ request }: Call): Caller {
    const header = request.headers.get('x-workspace-id') ?? ''
    if (innerIdentity.test(header)) throw new Refused('not_authorized', 'invalid caller ID')
    const caller = gate.caller(request, 'caller')
    if (caller !== 'admin' && header !== '' && header.toLowerCase() !== caller.id)
      throw new Refused('invalid_token', 'invalid caller auth token')
    return caller
  }

  function targetOf({ params }: Call, caller: Caller): WorkspaceRow {
    const id = (params['id'] ?? '').toLowerCase()
    const row = workspaces.get(id)
    if (row === undefined) throw new Refused('not_found', 'workspace not found')
    if (caller !== 'admin' && !workspaces.mayTalk(caller.id, id))
      throw new Refused('not_authorized', 'access denied: workspaces cannot communicate per hierarchy rules')
    return row
  }

  /**
   * The workspace sees one caller, the platform: so everybody goes on with tasks and conversations of his own alone. What
   * the file does not know any more is nobody's.
   */
  function checkOwner(target: string, caller: string, message: JsonObject): void {
    const { taskId, contextId, referenceTaskIds = [] } = message
    const tasks = [taskId, ...(referenceTaskIds as readonly string[])]
    for (const id of tasks)
      if (id !== undefined && !messages.isOwn(target, caller, 'task_id', id as string))
        throw new Refused('not_authorized', 'a task of the message is none that you have begun')
    if (contextId !== undefined && !messages.isOwn(target, caller, 'context_id', contextId as string))
      throw new Refused('not_authorized', 'the contextId is none of your conversations')
  }

  async function send(
    call: Call,
    caller: string,
    target: WorkspaceRow,
    incoming: Incoming,
  ): Promise<Response> {
    const message = incoming.params['message'] as JsonObject
    checkOwner(target.id, caller, message)
    const messageId = message['messageId'] as string
    const row = store.write(() => {
      const known = messages.known(target.id, caller, messageId)
      if (known === undefined) checkRoom(parts, target.id, caller)
      return messages.enqueue({
        target: target.id,
        caller,
        messageId,
        delegationId: delegationIdIn(incoming.params),
        body: JSON.stringify(incoming.envelope),
        headers: headersOf(call.request),
        expiresAt:
          options.clock.now() + Math.min(incoming.expiresInSeconds ?? Infinity, options.deadlineMs / 1000),
      })
    })
    if (row.status === 'completed' && row.response_body !== null)
      return replyTo(incoming, { kind: 'answer', status: row.http_status ?? 200, body: row.response_body })
    courier.pump(target.id)
    const reply = await courier.reply(row.queue_id)
    if (reply.kind === 'answer') return replyTo(incoming, reply)
    return queuedAnswer(messages.get(row.queue_id) ?? row)
  }

  function queuedAnswer(row: MessageRow): Response {
    return answer(202, {
      queued: true,
      queue_id: row.queue_id,
      queue_depth: messages.depth(row.workspace_id),
      message: 'the workspace is busy or offline; the message waits for it',
    })
  }

  async function ask(
    call: Call,
    caller: string,
    target: WorkspaceRow,
    incoming: Incoming,
  ): Promise<Response> {
    const id = incoming.params['id']
    if (typeof id !== 'string' || !messages.isOwn(target.id, caller, 'task_id', id))
      return answer(200, {
        jsonrpc: '2.0',
        id: incoming.id,
        error: { code: -32001, message: 'Task not found' },
      })
    if (direct >= mostDirect)
      throw new Refused('too_many', 'too many calls are under way', { busy: true, retry_after: 1 })
    direct += 1
    try {
      const outcome = await http.post({
        url: target.url,
        headers: headersTo(target, { caller_id: caller }, headersOf(call.request)),
        body: JSON.stringify(incoming.envelope),
        timeoutMs: directMs,
        signal: call.request.signal,
      })
      if (outcome.kind !== 'answered')
        throw new Refused('unreachable', `failed to reach workspace agent: ${outcome.error}`)
      const wish = outcome.retryAfterMs === null ? busySeconds : outcome.retryAfterMs / 1000
      const isBusy = outcome.status === 503 || outcome.status === 429
      return replyTo(incoming, { ...outcome, kind: 'answer' }, isBusy ? { 'retry-after': String(wish) } : {})
    } finally {
      direct -= 1
    }
  }

  return [
    {
      method: 'POST',
      path: '/workspaces/:id/a2a',
      async handle(call) {
        const caller = callerOf(call)
        const target = targetOf(call, caller)
        const incoming = incomingOf(await jsonOf(call.request), options.newId)
        const callerId = caller === 'admin' ? '' : caller.id
        return sendMethods.has(incoming.method)
          ? send(call, callerId, target, incoming)
          : ask(call, callerId, target, incoming)
      },
    },
    {
      method: 'GET',
      path: '/workspaces/:id/a2a/queue/:queue_id',
      handle(call) {
        const caller = callerOf(call)
        const row = messages.get(call.params['queue_id'] ?? '')
        const isHere = row?.workspace_id === (call.params['id'] ?? '').toLowerCase()
        if (row === undefined || !isHere)
          throw new Refused('not_found', 'no message of that id is in the queue', { retryable: true })
        if (caller !== 'admin' && ![row.caller_id, row.workspace_id].includes(caller.id))
          throw new Refused('not_authorized', 'the message is neither from you nor to you')
        return answer(200, queueView(row))
      },
    },
  ]
}

/** In all the places where clients of the dialect put it (2.11). */
function delegationIdIn(params: JsonObject): string | null {
  const ofMessage = (params['message'] as JsonObject)['metadata']
  const ofParams = params['metadata']
  const found = [
    isJsonObject(ofMessage) ? ofMessage['delegation_id'] : null,
    isJsonObject(ofParams) ? ofParams['delegation_id'] : null,
    isJsonObject(ofParams) ? ofParams['parent_task_id'] : null,
  ].find((id) => typeof id === 'string' && id !== '' && id.length <= mostIdCharacters)
  return (found as string | undefined) ?? null
}

function headersOf(request: Request): Record<string, string> {
  const timeout = request.headers.get('x-timeout')
  if (timeout !== null && !/^\d{1,7}$/.test(timeout))
    throw new Refused('invalid_request', 'X-Timeout must be a whole number of seconds, 0 for none')
  const passed = passedOn.flatMap((name) => {
    const value = request.headers.get(name)
    return value === null ? [] : [[name, value.slice(0, 2048)]]
  })
  return {
    ...(Object.fromEntries(passed) as Record<string, string>),
    ...(timeout !== null && { 'x-timeout': timeout }),
  }
}

/** The workspace's answer, under the id of this request: a message that is sent again has another. */
function replyTo(
  { id }: Incoming,
  { status, body }: Extract<Reply, { kind: 'answer' }>,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const json = parsed(body)
  if (status >= 200 && status <= 299) {
    const isEnvelope = isJsonObject(json) && (json['result'] !== undefined || json['error'] !== undefined)
    return answer(status, isEnvelope ? { ...json, id } : (json ?? body), headers)
  }
  if (isJsonObject(json) && typeof json['error'] === 'string') return answer(status, json, headers)
  const said = isJsonObject(json) && isJsonObject(json['error']) ? json['error']['message'] : null
  const error = typeof said === 'string' ? said : `the workspace answered HTTP ${status}`
  return answer(status < 300 || status > 599 ? 502 : status, { error, code: 'workspace_error' }, headers)
}
