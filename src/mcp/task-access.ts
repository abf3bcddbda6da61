import { ProtocolError, ProtocolErrorCode, type CallToolResult } from '@modelcontextprotocol/server'
import type { DelegationRecord } from '../index.js'
import { createTools, ownUnit, type ToolResult, type Tools } from '../tools/tools.js'
import type { CallScope } from './call-scope.js'
import type { McpHost } from './mcp-host.js'
import { ownTools } from './own-tools.js'

const dispatchNote =
  'The subagents run in the background. Go on with other work, or end your turn; nothing arrives by itself. `wait` gets this ' +
  'result, `collect` what has ended. Do not repeat the call, and do not make up what they will say.'

/** The tools as one request sees them. */
export function toolsFor(host: McpHost, scope: CallScope): Tools {
  const { delegator } = host
  return createTools({ ...host.options, delegator, dispatchNote, more: ownTools(scope) })
}

/** @throws {ProtocolError} for an id that never was; another session's is answered in the same way. */
export async function ownTask(id: string, host: McpHost): Promise<DelegationRecord> {
  const record = await ownUnit(id, host)
  if (record !== null) return record
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'Failed to retrieve task: Task not found')
}

/** Resolves once the unit has ended. It may have finished first, and says so then (P4). */
export async function stopTask(id: string, { delegator }: McpHost): Promise<void> {
  await delegator.interrupt(id, { reason: 'cancelled by the client' })
  await delegator.wait(id)
}

/** Of a unit that has ended: what its call would have answered. */
export async function resultOf(id: string, host: McpHost, scope: CallScope): Promise<CallToolResult> {
  const { data } = await toolsFor(host, scope).call('check_task_status', { task_id: id })
  return callResult({ data, isError: data['status'] !== 'completed' })
}

/** As data, and for clients that know of no data as text. */
export function callResult({ data, isError }: ToolResult): CallToolResult {
  const text = JSON.stringify(data)
  return {
    content: [{ type: 'text', text }],
    structuredContent: data,
    ...(isError && { isError }),
  }
}
