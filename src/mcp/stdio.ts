import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import { mcpHost, type McpOptions } from './mcp-host.js'
import { createMcpServer } from './server.js'

export interface StdioOptions extends McpOptions {
  /** Told of what goes wrong on the connection. */
  readonly onError?: (error: Error) => void
}

export interface StdioConnection {
  /** Resolves once the client is gone. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** Serves one client over this process's standard input and output: nothing else may be written there. */
export function serveMcpStdio({ onError, ...options }: StdioOptions): StdioConnection {
  const host = mcpHost(options)
  const transport = new StdioServerTransport()
  const given = onError === undefined ? {} : { onerror: onError }
  const { close } = serveStdio(({ era }) => createMcpServer(host, era), { transport, ...given })
  const ended = new Promise<void>((resolve) => {
    for (const end of ['end', 'close', 'error']) process.stdin.once(end, () => resolve())
    process.stdout.once('error', () => resolve())
  })
  return { ended, close }
}
