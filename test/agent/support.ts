import { spawnSync } from 'node:child_process'
import { expect, vi } from 'vitest'
import { agentRunner, type AgentRunnerOptions } from '../../src/agent/agent-runner.js'
import type { BatchEvent, ChildResult, DelegatorOptions } from '../../src/index.js'
import type { JsonObject } from '../../src/runner.js'
import { idOf, open, temporaryFolder } from '../runtime/support.js'
import { serve, type ScriptedServer, type Turn } from './scripted-server.js'

export interface AgentTask {
  readonly goal?: string
  readonly context?: string
  readonly toolsets?: readonly string[]
  readonly role?: string
  readonly model?: string
  readonly outputSchema?: JsonObject
}

/** Tests do not wait for a server to recover. */
export const quickRetry = { initialMs: 1, maxMs: 5 } as const

export interface AgentRun {
  readonly server: ScriptedServer
  readonly result: ChildResult & { readonly error_detail?: { readonly code?: string } }
  readonly event: BatchEvent
  readonly workdir: string
  /** What the n-th request carried as the results of tools. */
  toolResults(request: number): readonly string[]
}

/** Runs one child against the script, to its end. */
export async function runAgent(
  turns: readonly Turn[],
  options: Partial<AgentRunnerOptions> = {},
  { goal = 'do the work', ...task }: AgentTask = {},
  delegatorOptions: DelegatorOptions = {},
): Promise<AgentRun> {
  const server = await serve(...turns)
  const workdir = options.workdir ?? temporaryFolder()
  const runner = agentRunner({
    baseUrl: server.url,
    model: 'scripted',
    retry: quickRetry,
    ...options,
    workdir,
  })
  const delegator = await open({
    spillFolder: temporaryFolder(),
    maxSummaryCharacters: 0,
    ...delegatorOptions,
  })
  const { context, ...rest } = task
  const handle = await delegator.dispatchBatch({
    tasks: [{ goal, ...(context !== undefined && { context }) }],
    runner,
    ...rest,
  })
  const event = (await delegator.wait(idOf(handle))) as BatchEvent
  const [result] = event.results
  return {
    server,
    result: result as AgentRun['result'],
    event,
    workdir,
    toolResults: (request) =>
      (server.requests[request]?.body.messages ?? [])
        .filter(({ role }) => role === 'tool')
        .map(({ content }) => content ?? ''),
  }
}

/** A zombie waits for its parent to read its code; it runs no more. */
export function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return /^\s*[^Z\s]/.test(stdout)
}

/** Resolves when a process that is not ours has ended. */
export const gone = (pid: number): Promise<void> =>
  vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 30_000, interval: 50 })
