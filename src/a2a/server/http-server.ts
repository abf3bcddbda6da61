/** From routes to a server on node:http, with what every server needs: bounds, and an end that loses nothing. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request, with its URL read, and a signal for when nobody waits for its answer any more. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  /** Aborts when the client has left, and when the server closes. */
  readonly signal: AbortSignal
}

/** A set of routes. False: it is none of them. What it throws is answered with 500. */
export type Routes = (exchange: Exchange) => Promise<boolean>

export interface HttpServer {
  /** Resolves to the port that it has. @throws when the address is not to be had */
  listen(port: number, host: string): Promise<number>
  /** Takes no new connections, and answers what comes by old ones with 503. What is open goes on. */
  refuse(): void
  /** Resolves once every request is answered, and every stream at its end; or after two seconds. */
  settle(): Promise<void>
  /** Ends what is open, and resolves once all connections are gone. */
  close(): Promise<void>
}

interface HttpServerOptions {
  /** A sentence for the operator. */
  readonly tell: (line: string) => void
}

/** An answer that is not 200, thrown by whoever finds out. */
export class HttpProblem extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const headersMs = 10_000
const requestMs = 60_000
const maxConnections = 2_000
/** How long answers may take to reach their readers at the end, ms. */
const closeMs = 2_000
const pollMs = 20

/** @param routes may be filled later: until there is one, requests are answered with 503 */
export function createHttpServer(routes: readonly Routes[], { tell }: HttpServerOptions): HttpServer {
  const closing = new AbortController()
  const open = new Set<ServerResponse>()
  let isRefusing = false

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (isRefusing) throw new HttpProblem(503, 'the server is being stopped')
    if (routes.length === 0) throw new HttpProblem(503, 'the server is being started')
    const left = new AbortController()
    open.add(response)
    response.on('close', () => {
      open.delete(response)
      left.abort()
    })
    const signal = AbortSignal.any([left.signal, closing.signal])
    const path = request.url ?? '/'
    if (!path.startsWith('/') || !URL.canParse(path, 'http://localhost'))
      throw new HttpProblem(400, 'the path of the request cannot be read')
    const exchange = { request, response, url: new URL(path, 'http://localhost'), signal }
    for (const route of routes) if (await route(exchange)) return
    throw new HttpProblem(404, 'there is nothing here')
  }

  const server: Server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const status = error instanceof HttpProblem ? error.status : 500
      if (status === 500)
        tell(`a request failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      if (response.headersSent) return void response.destroy()
      // What of its body has not been read yet is not worth reading: the connection ends.
      response.setHeader('connection', 'close')
      sendJson(response, status, { error: status === 500 ? 'internal error' : (error as Error).message })
      if (!request.complete) response.on('finish', () => request.destroy())
    })
  })
  server.headersTimeout = headersMs
  server.requestTimeout = requestMs
  server.maxConnections = maxConnections
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
  })

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          resolve((server.address() as AddressInfo).port)
        })
      }),
    refuse() {
      isRefusing = true
      if (server.listening) server.close()
      server.closeIdleConnections()
    },
    async settle() {
      for (let waitedMs = 0; open.size > 0 && waitedMs < closeMs; waitedMs += pollMs)
        await new Promise((resolve) => setTimeout(resolve, pollMs))
    },
    async close() {
      isRefusing = true
      closing.abort()
      const gone = new Promise<void>((resolve) => {
        if (server.listening) server.close()
        const look = (): void => {
          server.getConnections((_error, count) => {
            if (count === 0) resolve()
            else {
              server.closeIdleConnections()
              setTimeout(look, pollMs)
            }
          })
        }
        look()
      })
      const force = setTimeout(() => server.closeAllConnections(), closeMs)
      await gone
      clearTimeout(force)
    },
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  type = 'application/json',
): void {
  response.writeHead(status, { 'content-type': type })
  response.end(JSON.stringify(body))
}

/** The whole body as text. @throws {HttpProblem} 413, 415, 400 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity')
    return Promise.reject(new HttpProblem(415, `a body as ${encoding} is not taken`))
  const tooLarge = new HttpProblem(413, `the body has more than ${maxBytes} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge)
  // Not by iteration: who leaves a loop early destroys the connection, and the answer with it.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= maxBytes) chunks.push(chunk)
      else {
        request.pause()
        reject(tooLarge)
      }
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    for (const name of ['error', 'close'])
      request.on(name, () => reject(new HttpProblem(400, 'the body ended too early')))
  })
}
