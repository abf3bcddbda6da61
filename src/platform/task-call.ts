/** How a workspace is asked about a task that it works on, in the protocol that the message was sent in. */
import type { MessageRow } from './messages.js'

/** Messages that start, or go on with, work: they wait in the queue where they cannot be had at once. */
export const sendMethods: ReadonlySet<string> = new Set(['message/send', 'SendMessage'])
/** About a task that the caller has started himself. */
export const taskMethods: ReadonlySet<string> = new Set([
  'tasks/get',
  'GetTask',
  'tasks/cancel',
  'CancelTask',
])

export function taskCall({ task_id, queue_id, headers, body }: MessageRow): {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
} {
  const { method: sentBy } = JSON.parse(body) as { readonly method: string }
  const method = sentBy === 'SendMessage' ? 'GetTask' : 'tasks/get'
  return {
    body: JSON.stringify({ jsonrpc: '2.0', id: `follow-${queue_id}`, method, params: { id: task_id } }),
    headers: JSON.parse(headers) as Readonly<Record<string, string>>,
  }
}
