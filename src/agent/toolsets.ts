/** Which tools a child gets: the runner's own, less what the call, or the child's role, takes away. */
import type { RunnerContext, RunnerTask } from '../runner.js'
import { AgentError } from './agent-error.js'
import { builtinToolsets, type AgentSettings } from './agent-options.js'
import type { AgentTool } from './agent-tool.js'
import { needing } from './load-package.js'
import type { WorkFolder } from './work-folder.js'

const mcpPrefix = 'mcp-'

/** What belongs to the one who delegated (spec 4.3), whatever server offers it. */
const blockedForChildren = [
  ...['clarify', 'memory', 'commit_memory', 'recall_memory', 'send_message', 'send_message_to_user'],
  ...['execute_code', 'cronjob_manage', 'start_chat'],
  // A child waits for what it starts.
  'delegate_task_async',
  // Of our own server: completions, questions and runs there are those of the one who delegated.
  ...['wait', 'collect', 'answer', 'interrupt'],
] as const
const blockedForLeaves = ['delegate_task'] as const
/** Nobody is given it by name: who may delegate has it, whatever was chosen (spec 4.3). */
const delegationToolset = 'delegation'

export function blockedFor(mayDelegate: boolean): ReadonlySet<string> {
  return new Set(mayDelegate ? blockedForChildren : [...blockedForChildren, ...blockedForLeaves])
}

/**
 * The toolsets of one child. A call narrows what the runner has; one that names no MCP server keeps them all, unless
 * `inheritMcpToolsets` is false (spec 6).
 * @throws {AgentError} AGENT_TOOLSET_UNKNOWN, AGENT_TOOLSET_REFUSED for one that the runner does not have.
 */
export function chosenToolsets(
  { toolsets, mcpServers, inheritMcpToolsets }: AgentSettings,
  asked: readonly string[] | null,
): readonly string[] {
  const servers = Object.keys(mcpServers).map((name) => `${mcpPrefix}${name}`)
  const all = [...new Set(toolsets), ...servers]
  if (asked === null) return all
  const known: readonly string[] = [...builtinToolsets, ...servers]
  const has = `this runner has ${all.join(', ') || 'none'}`
  for (const name of asked.filter((each) => each !== delegationToolset)) {
    const shown = JSON.stringify(name.slice(0, 60))
    if (!known.includes(name))
      throw new AgentError('AGENT_TOOLSET_UNKNOWN', `there is no toolset ${shown}; ${has}`)
    if (!all.includes(name))
      throw new AgentError(
        'AGENT_TOOLSET_REFUSED',
        `the toolset ${shown} is not given to children here; ${has}`,
      )
  }
  const namesServer = asked.some((name) => name.startsWith(mcpPrefix))
  return all.filter(
    (name) => asked.includes(name) || (inheritMcpToolsets && !namesServer && name.startsWith(mcpPrefix)),
  )
}

export interface OpenTools {
  readonly tools: ReadonlyMap<string, AgentTool>
  close(): Promise<void>
}

interface Opening {
  readonly settings: AgentSettings
  readonly chosen: readonly string[]
  readonly task: RunnerTask
  readonly ctx: RunnerContext
  readonly folder: WorkFolder
}

/** Each toolset is loaded when it is chosen. All servers start at once. */
export async function openTools({ settings, chosen, task, ctx, folder }: Opening): Promise<OpenTools> {
  const tools: AgentTool[] = []
  if (chosen.includes('file')) tools.push(...(await import('./file-tools.js')).fileTools(folder))
  if (chosen.includes('terminal')) {
    const { terminalTools } = await import('./terminal-tools.js')
    tools.push(...terminalTools(ctx.spawn, folder.root, settings.terminal))
  }
  if (chosen.includes('web')) tools.push(...(await import('./web-tools.js')).webTools(settings.web))
  if (settings.asks) tools.push((await import('./ask-tool.js')).askTool(ctx.ask, settings.askTimeoutSeconds))
  const below = settings.orchestratorEnabled ? task.below : undefined
  if (below !== undefined)
    tools.push((await import('./delegation-tool.js')).delegationTool(ctx.delegate, below))
  const names = chosen
    .filter((name) => name.startsWith(mcpPrefix))
    .map((name) => name.slice(mcpPrefix.length))
  if (names.length === 0) return { tools: byName(tools), close: () => Promise.resolve() }
  const { openMcpServer } = await needing(['@modelcontextprotocol/client'], import('./mcp-tools.js'))
  const blocked = blockedFor(below !== undefined)
  const starts = await Promise.allSettled(
    Object.entries(settings.mcpServers)
      .filter(([name]) => names.includes(name))
      .map(([name, server]) => openMcpServer({ name, server, workdir: folder.root, ctx, blocked })),
  )
  const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  const close = async (): Promise<void> => {
    await Promise.allSettled(servers.map((server) => server.close()))
  }
  const failed = starts.find((start) => start.status === 'rejected')
  if (failed !== undefined) {
    await close()
    throw failed.reason
  }
  return { tools: byName([...tools, ...servers.flatMap((server) => server.tools)]), close }
}

function byName(tools: readonly AgentTool[]): ReadonlyMap<string, AgentTool> {
  return new Map(tools.map((tool) => [tool.name, tool]))
}
