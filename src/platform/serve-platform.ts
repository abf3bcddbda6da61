import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openPlatform } from './create-platform.js'
import type { PlatformOptions } from './options.js'

export interface ServePlatformOptions extends PlatformOptions {
  /** An address other than loopback needs an `adminToken`. @defaultValue '127.0.0.1' */
  readonly host?: string
  /** 0: any that is free. @defaultValue 8080 */
  readonly port?: number
}

export interface ServedPlatform {
  /** Without a path. */
  readonly url: string
  /** As `Platform.close`; connections that are still open then are cut. */
  close(options?: { readonly graceMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How long answers may take to reach their readers at the end. */
const closeMs = 2_000
/** Of all callers together, event streams among them; more are not let in. */
const mostConnections = 4_096
/** Of a request's way here, ms: whoever sends it slower, or never ends it, is cut. Answers may take what they take. */
const patience = { headersTimeout: 15_000, requestTimeout: 60_000, connectionsCheckingInterval: 5_000 }
const loopbackHosts: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost'])

/**
 * The platform on a port of its own.
 * @throws {TypeError} for a host that others reach, without an `adminToken`; and as `createPlatform`
 */
export async function servePlatform(options: ServePlatformOptions): Promise<ServedPlatform> {
  const { host = '127.0.0.1', port = 8080 } = options
  if (!loopbackHosts.has(host) && options.adminToken === undefined)
    throw new TypeError(`Expected an \`adminToken\` for the host ${host}, which others reach, too`)
  const platform = await openPlatform(options, host)
  const answers = new Set<Promise<void>>()
  const server = createServer(patience, (request, response) => {
    const answered = answerTo(platform.fetch, request, response).finally(() => answers.delete(answered))
    answers.add(answered)
  })
  server.maxConnections = mostConnections
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
  } catch (error) {
    await platform.close()
    throw error
  }
  const at = server.address() as AddressInfo
  let closing: Promise<void> | null = null
  async function end(graceMs?: number): Promise<void> {
    const isStopped = new Promise((resolve) => server.close(resolve))
    await platform.close(graceMs === undefined ? {} : { graceMs })
    // What has been answered has yet to reach who asked.
    const cut = setTimeout(() => server.closeAllConnections(), closeMs)
    await Promise.all(answers)
    server.closeIdleConnections()
    await isStopped
    clearTimeout(cut)
  }
  const close: ServedPlatform['close'] = ({ graceMs } = {}) => (closing ??= end(graceMs))
  return {
    url: `http://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

/** Mounts a handler of `Request`s on node:http. Never rejects. */
async function answerTo(
  fetch: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  try {
    const answer = await fetch(requestOf(incoming, outgoing))
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
    outgoing.flushHeaders()
    // Who still sends a body that was refused would not see the answer, were it not taken.
    incoming.resume()
    if (answer.body === null) outgoing.end()
    else await pipeline(Readable.fromWeb(answer.body as never), outgoing)
  } catch {
    // The connection is gone, or the request was none: there is nobody to tell, or nothing to tell him.
    if (outgoing.headersSent) outgoing.destroy()
    else
      outgoing
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"error":"bad request","code":"invalid_request"}')
  }
}

/** One that is refused half-read leaves the connection open for the answer. */
function bodyOf(incoming: IncomingMessage): AsyncIterable<Uint8Array> {
  return incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
}

/** Its signal aborts with the connection. @throws {TypeError} for what is no URL */
function requestOf(incoming: IncomingMessage, outgoing: ServerResponse): Request {
  const gone = new AbortController()
  outgoing.once('close', () => gone.abort())
  const headers = new Headers()
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2)
    headers.append(incoming.rawHeaders[at] ?? '', incoming.rawHeaders[at + 1] ?? '')
  const { method = 'GET' } = incoming
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const init = {
    method,
    headers,
    signal: gone.signal,
    ...(hasBody && { body: bodyOf(incoming) as never, duplex: 'half' as const }),
  }
  return new Request(new URL(incoming.url ?? '/', `http://${incoming.headers.host ?? 'localhost'}`), init)
}
