import type { JsonObject } from '../runner.js'
import type { Tools, ToolCallOptions } from './tools.js'

/** An entry of MCP's `tools/list` (R3). */
export interface McpTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonObject
}

/** The result of MCP's `tools/call`: the data as one text. */
export interface McpToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[]
  readonly isError?: true
}

export async function mcpTools(tools: Tools): Promise<readonly McpTool[]> {
  return (await tools.list()).map(({ name, description, inputSchema }) => ({
    name,
    description,
    inputSchema,
  }))
}

export async function mcpCall(
  tools: Tools,
  name: string,
  input: unknown,
  options: ToolCallOptions = {},
): Promise<McpToolResult> {
  const { isError, data } = await tools.call(name, input, options)
  return { content: [{ type: 'text', text: JSON.stringify(data) }], ...(isError && { isError }) }
}
