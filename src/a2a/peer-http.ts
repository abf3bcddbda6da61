/**
 * `fetch` for one peer, over node:http: it says whether a request can have arrived, and bounds what comes back. Every
 * request ends within its time, whatever the peer does.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { Readable, Transform } from 'node:stream'
import { PeerError, QueuedAck } from './peer-error.js'
import type { PeerTime } from './peer-time.js'

export interface PeerHttp {
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>
  /** Ends idle connections; those in use end with their request. */
  close(): void
}

export interface PeerHttpOptions {
  /** The origins that may be talked to; the token goes to them and to no other. */
  readonly origins: ReadonlySet<string>
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly time: PeerTime
}

const maxSockets = 48
const maxRedirects = 3
/** A subscription that says nothing for so long is taken for dead, ms. */
const streamIdleMs = 300_000
/** An acknowledgement is short. */
const ackBytes = 65_536
const longestRetryAfterMs = 86_400_000

interface Sent {
  readonly url: URL
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: Buffer | null
  readonly signal: AbortSignal | null
}

export function createPeerHttp(options: PeerHttpOptions): PeerHttp {
  const agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets, scheduling: 'lifo' }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets, scheduling: 'lifo' }),
  }

  async function fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const sent: Sent = {
      url: new URL(input instanceof Request ? input.url : input),
      method: init.method ?? 'GET',
      headers: {
        ...options.headers,
        ...namedInLowerCase(init.headers),
        // What comes compressed would have to be bounded twice.
        'accept-encoding': 'identity',
      },
      body: typeof init.body === 'string' ? Buffer.from(init.body) : null,
      signal: init.signal ?? null,
    }
    for (let hop = 0; ; hop += 1) {
      checkAddress(sent.url, options.origins)
      const response = await once(sent)
      const target = redirectOf(response)
      if (target === null) return responseOf(response, options)
      response.resume()
      if (sent.method !== 'GET' || hop === maxRedirects) {
        const why = hop === maxRedirects ? `redirects more than ${maxRedirects} times` : 'redirects a message'
        throw new PeerError('PEER_REDIRECT', `the peer ${why}: ${target}`, { isPassing: false })
      }
      sent.url.href = new URL(target, sent.url).href
    }
  }

  /** Resolves with the head of the answer. */
  function once({ url, method, headers, body, signal }: Sent): Promise<IncomingMessage> {
    const isPlain = url.protocol === 'http:'
    return new Promise((resolve, reject) => {
      const request = (isPlain ? httpRequest : httpsRequest)(url, {
        method,
        headers: { ...headers, ...(body !== null && { 'content-length': body.byteLength }) },
        agent: agents[isPlain ? 'http:' : 'https:'],
        ...(signal !== null && { signal }),
      })
      const watch = watchRequest(request, options)
      request.on('error', (cause) => reject(watch.errorOf(cause)))
      request.once('response', (response) => {
        // A stream may go on after its head; anything else has to be complete in time.
        if (isStream(response)) watch.stop()
        else response.once('close', watch.stop)
        resolve(response)
      })
      request.end(body ?? undefined)
    })
  }

  return {
    fetch,
    close() {
      agents['http:'].destroy()
      agents['https:'].destroy()
    },
  }
}

/** @throws {PeerError} PEER_ADDRESS. A card, or a redirect, is somebody else's word: it opens no other door. */
export function checkAddress(url: URL, origins: ReadonlySet<string>): void {
  if (origins.has(url.origin)) return
  const message = `the peer points to ${url.origin}, which is not allowed (allowOrigins)`
  throw new PeerError('PEER_ADDRESS', message, { mayBeDelivered: false, isPassing: false })
}

/** Its time runs from the moment when it has a connection to use; the line for one is bounded by those before it. */
function watchRequest(request: ClientRequest, { timeoutMs, time }: PeerHttpOptions) {
  let isConnected = false
  let isLate = false
  let stop = (): void => undefined
  request.once('socket', (socket) => {
    stop = time.after(timeoutMs, () => {
      isLate = true
      request.destroy()
    })
    if (!socket.connecting) isConnected = true
    else socket.once('connect', () => (isConnected = true))
  })
  request.once('close', () => stop())
  return {
    stop: () => stop(),
    errorOf(cause: Error): PeerError {
      stop()
      const facts = { mayBeDelivered: isConnected }
      const { code = cause.name } = cause as NodeJS.ErrnoException
      if (isLate)
        return new PeerError('PEER_TIMEOUT', `the peer did not answer within ${timeoutMs} ms`, facts, cause)
      const what = isConnected ? 'the connection to the peer broke' : 'the peer cannot be reached'
      return new PeerError('PEER_UNREACHABLE', `${what}: ${cause.message || code} (${code})`, facts, cause)
    },
  }
}

function redirectOf({ statusCode = 0, headers }: IncomingMessage): string | null {
  return statusCode >= 300 && statusCode < 400 ? (headers.location ?? null) : null
}

const isStream = ({ headers }: IncomingMessage): boolean =>
  headers['content-type']?.startsWith('text/event-stream') === true

async function responseOf(response: IncomingMessage, options: PeerHttpOptions): Promise<Response> {
  const { statusCode: status = 0, rawHeaders } = response
  const headers: [string, string][] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? ''])
  if (isStream(response) && status === 200) {
    response.setTimeout(streamIdleMs, () => response.destroy(new Error('the stream fell silent')))
    const body = Readable.toWeb(boundedStream(response, options.maxBytes)) as unknown
    return new Response(body as globalThis.ReadableStream, { status, headers })
  }
  const body = await bodyOf(response, options)
  checkAnswer(status, response.headers, body)
  return wholeResponse(body, { status, headers })
}

/** An answer that is here already: to read it through the stream of a body costs more than all of the request. */
function wholeResponse(text: string, init: ResponseInit): Response {
  return Object.assign(new Response(null, init), {
    text: () => Promise.resolve(text),
    // What is no JSON is a rejection, as it is of any response.
    json: () => new Promise<unknown>((resolve) => resolve(JSON.parse(text))),
  })
}

/** The client of the SDK gives plain objects. */
function namedInLowerCase(headers: RequestInit['headers']): Record<string, string> {
  const isPlain = headers !== undefined && !Array.isArray(headers) && !(headers instanceof Headers)
  const entries = isPlain ? Object.entries(headers as Record<string, string>) : [...new Headers(headers)]
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]))
}

function bodyOf(response: IncomingMessage, { maxBytes, timeoutMs }: PeerHttpOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength
      if (bytes <= maxBytes) return void chunks.push(chunk)
      reject(tooLarge(maxBytes))
      response.destroy()
    })
    response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    response.on('error', () => undefined)
    response.once('close', () => {
      const message = `the peer's answer broke off after ${bytes} bytes, or took longer than ${timeoutMs} ms`
      if (!response.complete) reject(new PeerError('PEER_UNREACHABLE', message))
    })
  })
}

const tooLarge = (maxBytes: number): PeerError =>
  new PeerError('PEER_TOO_LARGE', `the peer's answer is longer than ${maxBytes} bytes`, { isPassing: false })

function boundedStream(response: IncomingMessage, maxBytes: number): Readable {
  let bytes = 0
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) done(tooLarge(maxBytes))
      else done(null, chunk)
    },
  })
  response.once('error', (error) => limit.destroy(error))
  response.once('close', () => {
    if (!response.complete) limit.destroy(new PeerError('PEER_UNREACHABLE', "the peer's stream broke off"))
  })
  limit.once('close', () => {
    if (!response.complete) response.destroy()
  })
  limit.on('error', () => undefined)
  return response.pipe(limit)
}

/** What is no answer of the protocol is told here, while its status is still known. */
function checkAnswer(status: number, headers: IncomingHttpHeaders, body: string): void {
  const isJson = /\bjson\b/.test(headers['content-type'] ?? '')
  const parsed = isJson && body.length <= ackBytes ? objectIn(body, status) : null
  if (parsed !== null && isQueuedAck(status, parsed)) throw new QueuedAck(parsed)
  if (status >= 200 && status < 300) {
    if (isJson || status === 204) return
    const type = headers['content-type'] ?? 'none'
    throw new PeerError(
      'PEER_RESPONSE',
      `the peer's answer is no JSON (content type: ${type.slice(0, 100)})`,
      {
        isPassing: false,
      },
    )
  }
  // An error of the protocol has a code that says more than the status.
  if (status !== 429 && status < 502 && typeof parsed?.['error'] === 'object') return
  const retryAfterMs = retryAfterOf(headers['retry-after'])
  const message = `the peer answered with HTTP ${status}${body === '' ? '' : `: ${body.slice(0, 300)}`}`
  throw new PeerError(status === 429 ? 'PEER_BUSY' : 'PEER_HTTP', message, {
    status,
    // 429 says that it was not taken; any other status may come from something in between.
    mayBeDelivered: status !== 429,
    isPassing: status === 429 || status >= 500,
    ...(retryAfterMs !== null && { retryAfterMs }),
  })
}

/** Reads only what may be an acknowledgement or an error: an answer is read once, by the SDK. */
function objectIn(body: string, status: number): Record<string, unknown> | null {
  if (status === 200 && !/"(?:queued|status)"\s*:\s*(?:true|"queued")/.test(body)) return null
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

/** M23 and P28: an acknowledgement, not an answer. A bare 202 is none (M24). */
function isQueuedAck(status: number, body: Readonly<Record<string, unknown>>): boolean {
  if (status === 202 && body['queued'] === true) return true
  return (status === 200 || status === 202) && body['status'] === 'queued' && body['jsonrpc'] === undefined
}

function retryAfterOf(value: string | undefined): number | null {
  if (value === undefined) return null
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), longestRetryAfterMs) : null
}
