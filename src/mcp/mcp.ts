/** Front of the MCP server: `hermes-delegate/mcp`. */
export { mcpHandler, type McpHandler, type McpHandlerOptions } from './http.js'
export type { McpOptions } from './mcp-host.js'
export { serveMcpStdio, type StdioConnection, type StdioOptions } from './stdio.js'
