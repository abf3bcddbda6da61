/**
 * Streamable HTTP. From 2026-07-28 on every request stands by itself, and any process with the same ledger can answer it;
 * older clients have a session with this one.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  originValidationResponse,
} from '@modelcontextprotocol/server'
import { createHttpSessions } from './http-sessions.js'
import { mcpHost, type McpHost, type McpOptions } from './mcp-host.js'
import { createMcpServer } from './server.js'

export interface McpHandlerOptions extends Omit<McpOptions, 'sessionKey'> {
  /** Whose request it is; null: nobody's, which is answered with 401. Asked after `token` was found right. */
  readonly sessionKey: string | ((request: Request) => string | null | Promise<string | null>)
  /** What `Authorization: Bearer` must carry. @defaultValue none: whoever reaches the port may call */
  readonly token?: string
  /** Names, without ports, that `Host` may have. @defaultValue localhost, 127.0.0.1, [::1] */
  readonly allowedHosts?: readonly string[]
  /** Names that the `Origin` of a browser may have; a request without one passes. @defaultValue as `allowedHosts` */
  readonly allowedOrigins?: readonly string[]
  readonly onError?: (error: Error) => void
}

export interface McpHandler {
  /** For servers that speak the web's `Request` and `Response`. */
  fetch(request: Request): Promise<Response>
  /** For `node:http` and what is built on it. */
  node(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Ends what is being answered; units go on. */
  close(): Promise<void>
}

/** @throws {TypeError} for an empty `sessionKey` or `token`. */
export function mcpHandler(options: McpHandlerOptions): McpHandler {
  const { sessionKey, token, allowedHosts, allowedOrigins, onError, ...tools } = options
  if (token === '') throw new TypeError('token: a text that is not empty was expected')
  const hosts = [...(allowedHosts ?? localhostAllowedHostnames())]
  const origins = [...(allowedOrigins ?? allowedHosts ?? localhostAllowedOrigins())]
  const hostOf = (key: string): McpHost => mcpHost({ ...tools, sessionKey: key })
  if (typeof sessionKey !== 'function') hostOf(sessionKey)
  const sessions = createHttpSessions((key) => createMcpServer(hostOf(key), 'legacy'))
  const handler = createMcpHandler(
    ({ era, authInfo }) => createMcpServer(hostOf(authInfo?.clientId ?? ''), era),
    { legacy: 'reject', ...(onError !== undefined && { onerror: onError }) },
  )

  async function fetch(request: Request): Promise<Response> {
    const refused = hostHeaderValidationResponse(request, hosts) ?? originValidationResponse(request, origins)
    if (refused !== undefined) return refused
    const given = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? ''
    if (token !== undefined && !isSame(given, token)) return unauthorized()
    const key = typeof sessionKey === 'function' ? await sessionKey(request) : sessionKey
    if (key === null || key === '') return unauthorized()
    if (await isLegacyRequest(request)) return sessions.fetch(request, key)
    return handler.fetch(request, { authInfo: { token: given, clientId: key, scopes: [] } })
  }

  let nodeHandler: Promise<McpHandler['node']> | null = null
  return {
    fetch,
    node: async (request, response) => {
      nodeHandler ??= nodeHandlerOf({ fetch }, onError)
      await (
        await nodeHandler
      )(request, response)
    },
    async close() {
      await Promise.all([handler.close(), sessions.close()])
    },
  }
}

/** Its package is needed here alone. */
async function nodeHandlerOf(
  handler: Pick<McpHandler, 'fetch'>,
  onError: McpHandlerOptions['onError'],
): Promise<McpHandler['node']> {
  const { toNodeHandler } = await import('@modelcontextprotocol/node')
  // Where a property of Node's may be undefined, the SDK's types have it missing.
  const node: unknown = toNodeHandler(handler, onError === undefined ? {} : { onerror: onError })
  return node as McpHandler['node']
}

/** In a time that says nothing of how much of it was right. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

function unauthorized(): Response {
  const error = { jsonrpc: '2.0', id: null, error: { code: -32_001, message: 'Unauthorized' } }
  return Response.json(error, { status: 401, headers: { 'www-authenticate': 'Bearer' } })
}
