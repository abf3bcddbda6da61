/**
 * `fetch` for one peer, over node:http: it says whether a request can have arrived, and bounds what comes back. Every
 * request ends within its time, whatever the peer does.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type AgentOptions,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { Readable, Transform } from 'node:stream'
import { checkAnswer } from './http-answer.js'
import { PeerError } from './peer-error.js'
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
/** Subscriptions have their own: however many are held, looks and cancels find a connection. As many as `maxStreams` may be. */
const maxStreamSockets = 64
const maxRedirects = 3
/** A subscription that says nothing for so long is taken for dead, ms. */
const streamIdleMs = 300_000

interface Sent {
  readonly url: URL
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: Buffer | null
  readonly signal: AbortSignal | null
}

interface Answered {
  readonly response: IncomingMessage
  readonly isLate: () => boolean
}

export function createPeerHttp(options: PeerHttpOptions): PeerHttp {
  const forAnswers = agentsOf({ keepAlive: true, maxSockets, scheduling: 'lifo' })
  const forStreams = agentsOf({ maxSockets: maxStreamSockets })

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
      const { response, isLate } = await once(sent)
      const target = redirectOf(response)
      if (target === null) {
        return isStream(sent, response) ? streamOf(response, options) : responseOf(response, options, isLate)
      }
      response.resume()
      if (sent.method !== 'GET' || hop === maxRedirects) {
        const why = hop === maxRedirects ? `redirects more than ${maxRedirects} times` : 'redirects a message'
        throw new PeerError('PEER_REDIRECT', `the peer ${why}: ${target}`, { isPassing: false })
      }
      sent.url.href = new URL(target, sent.url).href
    }
  }

  /** Resolves with the head of the answer. */
  function once(sent: Sent): Promise<Answered> {
    const { url, method, headers, body, signal } = sent
    const agents = isSubscription(sent) ? forStreams : forAnswers
    const isPlain = url.protocol === 'http:'
    return new Promise((resolve, reject) => {
      const request = (isPlain ? httpRequest : httpsRequest)(url, {
        method,
        headers: { ...headers, ...(body !== null && { 'content-length': body.byteLength }) },
        agent: agents[isPlain ? 'http:' : 'https:'],
        ...(signal !== null && { signal }),
      })
      const watch = watchRequest(request, options, reject)
      request.on('error', (cause) => reject(watch.errorOf(cause)))
      request.once('response', (response) => {
        // A stream may go on after its head; anything else has to be complete in time.
        if (isStream(sent, response)) watch.stop()
        else response.once('close', watch.stop)
        resolve({ response, isLate: watch.isLate })
      })
      request.end(body ?? undefined)
    })
  }

  return {
    fetch,
    close() {
      for (const agents of [forAnswers, forStreams]) {
        agents['http:'].destroy()
        agents['https:'].destroy()
      }
    },
  }
}

/** @throws {PeerError} PEER_ADDRESS. A card, or a redirect, is somebody else's word: it opens no other door. */
export function checkAddress(url: URL, origins: ReadonlySet<string>): void {
  if (origins.has(url.origin)) return
  const message = `the peer points to ${url.origin}, which is not allowed (allowOrigins)`
  throw new PeerError('PEER_ADDRESS', message, { mayBeDelivered: false, isPassing: false })
}

const agentsOf = (options: AgentOptions) => ({
  'http:': new HttpAgent(options),
  'https:': new HttpsAgent(options),
})

/** Its time runs from the start: the wait for a connection is a part of it. */
function watchRequest(
  request: ClientRequest,
  { timeoutMs, time }: PeerHttpOptions,
  onLate: (error: PeerError) => void,
) {
  let isConnected = false
  let isLate = false
  const stop = time.after(timeoutMs, () => {
    isLate = true
    request.destroy()
    // One that waits for a connection would say so only when it is given one.
    onLate(tooLate(timeoutMs, { mayBeDelivered: isConnected }))
  })
  request.once('socket', (socket) => {
    if (!socket.connecting) isConnected = true
    else socket.once('connect', () => (isConnected = true))
  })
  request.once('close', stop)
  return {
    stop,
    isLate: () => isLate,
    errorOf(cause: Error): PeerError {
      stop()
      const facts = { mayBeDelivered: isConnected }
      const { code = cause.name } = cause as NodeJS.ErrnoException
      const what = isConnected ? 'the connection to the peer broke' : 'the peer cannot be reached'
      return new PeerError('PEER_UNREACHABLE', `${what}: ${cause.message || code} (${code})`, facts, cause)
    },
  }
}

function redirectOf({ statusCode = 0, headers }: IncomingMessage): string | null {
  return statusCode >= 300 && statusCode < 400 ? (headers.location ?? null) : null
}

const eventStream = 'text/event-stream'

const isSubscription = ({ headers }: Sent): boolean => headers['accept'] === eventStream

/** Only where one was asked for: whatever else a peer calls a stream has to be complete in time, like any answer. */
function isStream(sent: Sent, { statusCode, headers }: IncomingMessage): boolean {
  return (
    isSubscription(sent) && statusCode === 200 && headers['content-type']?.startsWith(eventStream) === true
  )
}

function headOf({ statusCode: status = 0, rawHeaders }: IncomingMessage) {
  const headers: [string, string][] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? ''])
  return { status, headers }
}

function streamOf(response: IncomingMessage, { maxBytes }: PeerHttpOptions): Response {
  response.setTimeout(streamIdleMs, () => response.destroy(new Error('the stream fell silent')))
  const body = Readable.toWeb(boundedStream(response, maxBytes)) as unknown
  return new Response(body as globalThis.ReadableStream, headOf(response))
}

async function responseOf(
  response: IncomingMessage,
  options: PeerHttpOptions,
  isLate: () => boolean,
): Promise<Response> {
  const body = await bodyOf(response, options, isLate)
  const head = headOf(response)
  checkAnswer(head.status, response.headers, body)
  return wholeResponse(body, head)
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

function bodyOf(
  response: IncomingMessage,
  { maxBytes, timeoutMs }: PeerHttpOptions,
  isLate: () => boolean,
): Promise<string> {
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
      if (response.complete) return
      const message = `the peer's answer broke off after ${bytes} bytes`
      reject(isLate() ? tooLate(timeoutMs) : new PeerError('PEER_UNREACHABLE', message))
    })
  })
}

const tooLate = (timeoutMs: number, facts = {}): PeerError =>
  new PeerError('PEER_TIMEOUT', `the peer did not answer within ${timeoutMs} ms`, facts)

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
