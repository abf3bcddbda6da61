import { jsonSchema, type JSONSchema7 } from 'ai'
import { Client, type CallToolResult, type Tool } from '@modelcontextprotocol/client'
import { programEnvironment, type RunnerContext } from '../runner.js'
import { within } from './abort-scope.js'
import { AgentError } from './agent-error.js'
import type { McpServerSettings } from './agent-options.js'
import { ToolError, type AgentTool } from './agent-tool.js'
import { headOf } from './bounded-text.js'
import { createMcpTransport } from './mcp-transport.js'

const maxTools = 128
const descriptionCharacters = 4_000
const schemaCharacters = 50_000
/** What OpenAI's wire takes as the name of a tool. */
const nameCharacters = 64

/** The tools of one server, and how it is let go. */
export interface McpServer {
  readonly tools: readonly AgentTool[]
  close(): Promise<void>
}

interface ServerOptions {
  readonly name: string
  readonly server: McpServerSettings
  readonly workdir: string
  readonly ctx: RunnerContext
  /** Tools, by the server's own names, that no child of this role may have. */
  readonly blocked: ReadonlySet<string>
}

/**
 * Starts a server on the child's lifeline. Its tools are called `mcp_<server>_<tool>`.
 * @throws {AgentError} AGENT_MCP_FAILED when it does not start, or answers with nonsense.
 */
export async function openMcpServer({
  name,
  server,
  workdir,
  ctx,
  blocked,
}: ServerOptions): Promise<McpServer> {
  const client = new Client({ name: 'hermes-delegate', version: '0' })
  const transport = createMcpTransport(
    () =>
      ctx.spawn([server.command, ...server.args], {
        cwd: server.cwd ?? workdir,
        env: programEnvironment(server.env, process.env),
        stdin: true,
      }),
    (line) => ctx.log(`mcp ${name}: ${line}`),
  )
  try {
    const listed = await within(server.startTimeoutSeconds, ctx.signal, async (signal) => {
      const options = { signal, timeout: server.startTimeoutSeconds * 1_000 }
      await client.connect(transport, options)
      return await toolsOf(client, options)
    })
    const offered = listed.filter((tool) => !blocked.has(tool.name))
    const tools = distinct(offered.map((tool) => toolOf(name, tool, client, server)))
    if (listed.length > tools.length)
      ctx.log(`mcp ${name}: ${listed.length - tools.length} of its ${listed.length} tools are left out`)
    return { tools, close: () => client.close() }
  } catch (cause) {
    await client.close().catch(() => undefined)
    const said = await transport.complaint()
    const why = `${cause instanceof Error ? cause.message : String(cause)}${said && ` (it said: ${said})`}`
    throw new AgentError(
      'AGENT_MCP_FAILED',
      `the MCP server ${name} (${server.command}) did not start: ${why}`,
      cause,
    )
  }
}

async function toolsOf(client: Client, options: { readonly signal: AbortSignal }): Promise<Tool[]> {
  const found: Tool[] = []
  let cursor: string | undefined
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor }, options)
    found.push(...page.tools)
    cursor = page.nextCursor
  } while (cursor !== undefined && found.length < maxTools)
  return found.slice(0, maxTools)
}

/** Of two whose names become the same, the first; none whose schema is out of bounds. */
function distinct(tools: readonly (AgentTool | null)[]): AgentTool[] {
  const byName = new Map<string, AgentTool>()
  for (const tool of tools) if (tool !== null && !byName.has(tool.name)) byName.set(tool.name, tool)
  return [...byName.values()]
}

function toolOf(server: string, tool: Tool, client: Client, settings: McpServerSettings): AgentTool | null {
  if (JSON.stringify(tool.inputSchema).length > schemaCharacters) return null
  return {
    name: `mcp_${server}_${tool.name}`.replace(/[^\w-]/g, '_').slice(0, nameCharacters),
    description: headOf(tool.description ?? tool.name, descriptionCharacters),
    // The server checks what it is given.
    schema: jsonSchema(tool.inputSchema as JSONSchema7),
    async run(input, signal) {
      const result = await client.callTool(
        { name: tool.name, arguments: (input ?? {}) as Record<string, unknown> },
        { signal, timeout: settings.callTimeoutSeconds * 1_000 },
      )
      const text = textOf(result)
      if (result.isError === true) throw new ToolError(text)
      return text
    },
  }
}

function textOf({ content, structuredContent }: CallToolResult): string {
  const parts = content.map((part) => {
    if (part.type === 'text') return part.text
    if (part.type === 'resource' && 'text' in part.resource) return part.resource.text
    return part.type === 'resource_link' ? part.uri : `(${part.type}, which is not shown)`
  })
  if (parts.length === 0 && structuredContent !== undefined) return JSON.stringify(structuredContent)
  return parts.length === 0 ? '(no content)' : parts.join('\n')
}
