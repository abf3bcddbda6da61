/** `tasks/…` of 2025-11-25: the client asks for a task, polls it, and fetches its result. */
import {
  ProtocolError,
  ProtocolErrorCode,
  RELATED_TASK_META_KEY,
  type Result,
  type McpServer,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { DelegationRecord } from '../index.js'
import { isOwn } from '../tools/tools.js'
import { answering } from './call-scope.js'
import type { McpHost } from './mcp-host.js'
import { waitForEnd } from './own-tools.js'
import { ownTask, resultOf, stopTask } from './task-access.js'
import { hasEnded, task2025 } from './tasks.js'

const byId = { params: z.looseObject({ taskId: z.string() }) }
const byPage = { params: z.looseObject({ cursor: z.string().optional() }) }
const pageLength = 50

/** What a server of this revision declares. */
export const tasks2025 = { list: {}, cancel: {}, requests: { tools: { call: {} } } }

export function serveTasks2025({ server }: McpServer, host: McpHost): void {
  server.setRequestHandler('tasks/get', byId, async ({ taskId }) => asResult(await ownTask(taskId, host)))
  server.setRequestHandler('tasks/result', byId, async ({ taskId }, ctx) => {
    const { delegation_id: id } = await ownTask(taskId, host)
    // A cancelled request stops waiting; the task goes on.
    return answering(ctx, async (scope) => {
      await waitForEnd(id, undefined, host, scope)
      return { ...(await resultOf(id, host)), _meta: { [RELATED_TASK_META_KEY]: { taskId: id } } }
    })
  })
  server.setRequestHandler('tasks/list', byPage, ({ cursor }) => page(cursor, host))
  server.setRequestHandler('tasks/cancel', byId, async ({ taskId }) => {
    const record = await ownTask(taskId, host)
    if (hasEnded(record))
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `Cannot cancel task: it has ended as ${record.status}`,
      )
    await stopTask(taskId, host)
    return asResult(await ownTask(taskId, host))
  })
}

const asResult = (record: DelegationRecord): Result => ({ ...task2025(record) })

/** Newest first. A cursor is the id that the last page ended with. */
async function page(cursor: string | undefined, host: McpHost): Promise<Result> {
  const records = await host.delegator.list()
  const own = records.filter((record) => isOwn(record, host) && record.parent_id === undefined)
  const after = cursor === undefined ? 0 : own.findIndex(({ delegation_id: id }) => id === cursor) + 1
  if (cursor !== undefined && after === 0)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'Invalid cursor')
  const shown = own.slice(after, after + pageLength)
  const last = shown.at(-1)
  const hasMore = last !== undefined && after + pageLength < own.length
  return { tasks: shown.map(task2025), ...(hasMore && { nextCursor: last.delegation_id }) }
}
