/** P19-P21 and P25: what workspaces report, what people read of it, and what is told as it happens. */
import * as z from 'zod'
import { reportedTypes } from './activities.js'
import { createGate, type Parts, type Route } from './context.js'
import { answer, bodyOf, countIn, field } from './http.js'
import { Refused } from './refusal.js'

const activity = z.object({
  activity_type: z.enum(reportedTypes, `expected one of ${reportedTypes.join(', ')}`),
  method: field.line(128).nullish(),
  summary: field.line(4096).default(''),
  target_id: field.line(256).nullish(),
  source_id: field.line(256).nullish(),
  status: field.line(64).default('ok'),
  error_detail: field.line(65_536).nullish(),
  duration_ms: field.amount.nullish(),
  request_body: field.json.optional(),
  response_body: field.json.optional(),
  metadata: field.json.optional(),
})

const attachment = z.object({
  uri: field.word(4096),
  name: field.word(1024),
  mimeType: field.line(256).optional(),
  size: field.amount.optional(),
})

/** A delegation's end has no message of its own (6-B13). */
const endTypes = ['delegation_complete', 'delegation_result'] as const
const notice = z
  .object({
    message: field.word(262_144).optional(),
    attachments: z.array(attachment, 'expected a list').max(100, 'expected at most 100').optional(),
    type: field.line(128).optional(),
    task_id: field.line(256).optional(),
    target_workspace_id: field.line(256).optional(),
    status: field.line(64).optional(),
  })
  .refine(
    ({ message, type }) => message !== undefined || endTypes.some((each) => each === type),
    'message is required',
  )

const listedByDefault = 100
const listedMost = 500
const sources = ['canvas', 'agent'] as const

export function createActivityRoutes(parts: Parts): readonly Route[] {
  const { activities, hub } = parts
  const gate = createGate(parts)
  return [
    {
      method: 'POST',
      path: '/workspaces/:id/activity',
      async handle(call) {
        const { id } = gate.own(call)
        const body = await bodyOf(call.request, activity, 'invalid activity')
        if (
          typeof body.source_id === 'string' &&
          body.source_id !== '' &&
          body.source_id.toLowerCase() !== id
        )
          throw new Refused('not_authorized', 'source_id must be the workspace itself')
        const { request_body = null, response_body = null, metadata = null } = body
        const source_id = body.source_id === '' ? null : (body.source_id ?? null)
        const { method = null, target_id = null, error_detail = null, duration_ms = null } = body
        activities.add({
          ...body,
          workspace_id: id,
          ...{ source_id, method, target_id, error_detail, duration_ms },
          ...{ request_body, response_body, metadata },
        })
        const { activity_type, summary, status } = body
        hub.tell(id, 'ACTIVITY_LOGGED', { activity_type, summary, status, source_id, target_id })
        return answer(200, { status: 'logged' })
      },
    },
    {
      method: 'GET',
      path: '/workspaces/:id/activity',
      handle(call) {
        const { id } = gate.own(call)
        const source = call.url.searchParams.get('source')
        if (source !== null && !sources.some((each) => each === source))
          throw new Refused('invalid_request', 'source must be one of canvas, agent')
        const before = countIn(call.url, 'before', 0, Number.MAX_SAFE_INTEGER)
        const rows = activities.list(id, {
          type: call.url.searchParams.get('type'),
          source: source as (typeof sources)[number] | null,
          limit: countIn(call.url, 'limit', listedByDefault, listedMost),
          before: before === 0 ? null : before,
        })
        return answer(200, rows)
      },
    },
    {
      method: 'POST',
      path: '/workspaces/:id/notify',
      async handle(call) {
        const { id } = gate.own(call)
        const body = await bodyOf(call.request, notice, 'invalid notice')
        const { message, attachments, type, status, task_id, target_workspace_id } = body
        const summary = message ?? `delegation ${task_id ?? ''} ${status ?? 'has ended'}`
        const details = {
          message: summary,
          ...(attachments !== undefined && { attachments: attachments.map((each) => ({ ...each })) }),
          ...(type !== undefined && { type }),
          ...(task_id !== undefined && { task_id }),
          ...(target_workspace_id !== undefined && { target_workspace_id }),
          ...(status !== undefined && { status }),
        }
        activities.add({
          workspace_id: id,
          activity_type: 'agent_message',
          method: 'notify',
          summary,
          response_body: details,
        })
        hub.tell(id, 'AGENT_MESSAGE', details)
        return answer(200, { status: 'sent' })
      },
    },
    {
      method: 'GET',
      path: '/workspaces/:id/events/stream',
      handle(call) {
        const { id } = gate.own(call)
        const stream = hub.stream(id)
        if (stream === null)
          throw new Refused('too_many', 'too many listen to the workspace already', { retry_after: 30 })
        return new Response(stream, {
          headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
        })
      },
    },
  ]
}
