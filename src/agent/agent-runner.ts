/** Front of the agent runner, for the host: `hermes-delegate/agent`. Loads none of the packages that its children need. */
import { resolve } from 'node:path'
import { DelegationError, type RunnerReference } from '../index.js'
import type { JsonObject } from '../runner.js'
import { readAgentOptions, type AgentRunnerOptions } from './agent-options.js'

export type { AgentRunnerOptions, BuiltinToolset, McpServerOptions, TokenPrices } from './agent-options.js'

/** Where and how its children run, beside what they do. */
export type AgentReferenceOptions = Pick<
  RunnerReference,
  'placement' | 'idempotent' | 'correctsOutput' | 'onOwnerDeath'
>

/**
 * A model with tools in a loop, on any server that speaks OpenAI's chat completions. Each child has a conversation of
 * its own; with `onOwnerDeath: 'adopt'` it goes on from its last complete iteration. Its children need the packages `ai`
 * and `@ai-sdk/openai-compatible`, and `@modelcontextprotocol/client` where there are MCP servers.
 * @throws {DelegationError} RUNNER_INVALID with a line for each problem.
 */
export function agentRunner(
  options: AgentRunnerOptions,
  reference: AgentReferenceOptions = {},
): RunnerReference {
  const read = readAgentOptions(options)
  if ('problems' in read) throw new DelegationError('RUNNER_INVALID', { problems: read.problems })
  const given = { ...options, ...(options.workdir !== undefined && { workdir: resolve(options.workdir) }) }
  return {
    url: new URL('./agent-child.js', import.meta.url).href,
    export: 'runAgent',
    options: given as unknown as JsonObject,
    reportsProgress: true,
    correctsOutput: true,
    ...reference,
  }
}
