/**
 * `fetch` over node:http, for what the built-in one does not let us say: which address is connected to, how much may
 * come, and how long a server may think (that one gives up after 300 s). All connections end with `close`, so that a
 * child leaves none behind in its thread.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { pipeline, Readable, Transform } from 'node:stream'

export interface Http {
  /** Follows no redirect. */
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>
  close(): void
}

interface HttpOptions {
  /** A body that is longer ends in an error, bytes. */
  readonly maxBytes: number
  /** Of names. @defaultValue the system's */
  readonly lookup?: LookupFunction
  /** What a body goes through before it is read. @defaultValue nothing */
  readonly through?: () => Transform
}

const withoutBody: ReadonlySet<number> = new Set([101, 204, 205, 304])

export function createHttp({ maxBytes, lookup, through }: HttpOptions): Http {
  const agents = {
    'http:': new HttpAgent({ keepAlive: true }),
    'https:': new HttpsAgent({ keepAlive: true }),
  }

  function fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const url = new URL(input instanceof Request ? input.url : input)
    const headers = Object.fromEntries(new Headers(init.headers))
    // What comes compressed would have to be bounded twice.
    headers['accept-encoding'] = 'identity'
    const body = typeof init.body === 'string' ? Buffer.from(init.body) : null
    if (body !== null) headers['content-length'] = String(body.byteLength)
    const isPlain = url.protocol === 'http:'
    return new Promise((resolve, reject) => {
      const request = (isPlain ? httpRequest : httpsRequest)(url, {
        method: init.method ?? 'GET',
        headers,
        agent: agents[isPlain ? 'http:' : 'https:'],
        ...(init.signal && { signal: init.signal }),
        ...(lookup && { lookup }),
      })
      request.once('error', reject)
      request.once('response', (response) => {
        // From here on an error of the request is one of the body, which tells it.
        request.off('error', reject).on('error', () => undefined)
        resolve(responseOf(response, maxBytes, through))
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

function responseOf(response: IncomingMessage, maxBytes: number, through?: () => Transform): Response {
  const { statusCode: status = 0, statusMessage = '', rawHeaders } = response
  const headers = new Headers()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '')
  if (withoutBody.has(status)) {
    response.resume()
    return new Response(null, { status, headers })
  }
  const limited = bounded(response, maxBytes)
  const read = through === undefined ? limited : pipeline(limited, through(), () => undefined)
  const body = Readable.toWeb(read) as unknown
  return new Response(body as globalThis.ReadableStream, { status, statusText: statusMessage, headers })
}

function bounded(response: IncomingMessage, maxBytes: number): Readable {
  let bytes = 0
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) done(new Error(`the answer is longer than ${maxBytes} bytes`))
      else done(null, chunk)
    },
  })
  response.once('error', (error) => limit.destroy(error))
  response.once('close', () => {
    if (!response.complete)
      limit.destroy(
        Object.assign(new Error('the connection was closed in mid-answer'), { code: 'ECONNRESET' }),
      )
  })
  limit.once('close', () => {
    if (!response.complete) response.destroy()
  })
  return response.pipe(limit)
}
