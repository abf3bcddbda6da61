/** HTTP up to 2025-11-25: a client has a session of the transport, so that its cancellations reach its requests. */
import { randomUUID } from 'node:crypto'
import { WebStandardStreamableHTTPServerTransport, type McpServer } from '@modelcontextprotocol/server'

interface Session {
  readonly transport: WebStandardStreamableHTTPServerTransport
  readonly sessionKey: string
}

export interface HttpSessions {
  fetch(request: Request, sessionKey: string): Promise<Response>
  close(): Promise<void>
}

/** Of more the one that was used least recently is closed: its client begins a new one, and loses no unit. */
const mostSessions = 1_000

export function createHttpSessions(create: (sessionKey: string) => McpServer): HttpSessions {
  /** By how long ago they were used. */
  const sessions = new Map<string, Session>()

  async function begin(request: Request, sessionKey: string): Promise<Response> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, { transport, sessionKey }),
      onsessionclosed: (id) => void sessions.delete(id),
    })
    const server = create(sessionKey)
    await server.connect(transport)
    const response = await transport.handleRequest(request)
    if (transport.sessionId === undefined) await server.close()
    const [oldest] = sessions
    if (sessions.size > mostSessions && oldest !== undefined) {
      sessions.delete(oldest[0])
      await oldest[1].transport.close()
    }
    return response
  }

  return {
    async fetch(request, sessionKey) {
      const id = request.headers.get('mcp-session-id')
      if (id === null) return begin(request, sessionKey)
      const session = sessions.get(id)
      // Another's session is answered like one that never was.
      if (session === undefined || session.sessionKey !== sessionKey) return notFound()
      sessions.delete(id)
      sessions.set(id, session)
      return session.transport.handleRequest(request)
    },
    async close() {
      const open = [...sessions.values()]
      sessions.clear()
      await Promise.all(open.map(({ transport }) => transport.close()))
    },
  }
}

function notFound(): Response {
  const error = { jsonrpc: '2.0', id: null, error: { code: -32_001, message: 'Session not found' } }
  return Response.json(error, { status: 404 })
}
