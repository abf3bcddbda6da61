import { ProtocolError, ProtocolErrorCode, type CallToolResult } from '@modelcontextprotocol/server'
import type { DelegationRecord } from '../index.js'
import { createTools, ownUnit, type ToolResult, type ToolSpec, type Tools } from '../tools/tools.js'
import type { CallScope } from './call-scope.js'
import type { McpHost } from './mcp-host.js'
import { ownTools, unscopedTools } from './own-tools.js'

const dispatchNote =
  'The subagents run in the background. Go on with other work, or end your turn; nothing arrives by itself. `wait` gets this ' +
  'result, `collect` what has ended. Do not repeat the call, and do not make up what they will say.'

/** Made once for a connection: it takes a share of the time of a short call. */
const unscoped = new WeakMap<McpHost, Tools>()

/** The tools as one request sees them; without one, all but what waits for a request's end. */
export function toolsFor(host: McpHost, scope?: CallScope): Tools {
  if (scope !== undefined) return newTools(host, ownTools(scope))
  const known = unscoped.get(host)
  if (known !== undefined) return known
  const tools = newTools(host, unscopedTools)
  unscoped.set(host, tools)
  return tools
}

function newTools({ delegator, options }: McpHost, more: readonly ToolSpec[]): Tools {
  return createTools({ ...options, delegator, dispatchNote, more })
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
export async function resultOf(id: string, host: McpHost): Promise<CallToolResult> {
  const { data } = await toolsFor(host).call('check_task_status', { task_id: id })
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
