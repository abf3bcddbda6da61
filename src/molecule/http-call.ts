/**
 * One request that always ends: within its time, with a bounded body, and with a word on whether it can have been
 * delivered. Nothing here throws.
 */
import type { Clock } from '../index.js'
import type { Json, JsonObject } from '../runner.js'

export interface HttpCall {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: JsonObject
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export type HttpOutcome =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly retryAfter: string | null
      /** Undefined for what is no JSON. */
      readonly json: Json | undefined
      readonly text: string
    }
  /** The connection was never made, so that nobody has got the request. */
  | { readonly kind: 'unsent'; readonly error: string }
  /** Whether anybody got it is not known. */
  | { readonly kind: 'lost'; readonly error: string; readonly isTimeout: boolean }

export type HttpCaller = (call: HttpCall) => Promise<HttpOutcome>

/** Of an answer; the platform's own bound (P30). */
export const mostBytes = 10 * 1024 * 1024
/** What these say is that there was no connection. */
const unsentCodes: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
])

const timedOut = Symbol('timed out')

export function createHttpCaller(fetch: typeof globalThis.fetch, clock: Clock): HttpCaller {
  return async ({ method, url, headers, body, timeoutMs, signal }) => {
    const scope = new AbortController()
    const stopTimer = clock.after(timeoutMs, () => scope.abort(timedOut))
    const abort = () => scope.abort()
    if (signal?.aborted === true) scope.abort()
    signal?.addEventListener('abort', abort, { signal: scope.signal })
    try {
      const response = await fetch(url, {
        method,
        // A redirect could lead a bearer, or a task, to somebody else.
        redirect: 'manual',
        headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        signal: scope.signal,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = await boundedText(response)
      const { status } = response
      return {
        kind: 'answer',
        status,
        retryAfter: response.headers.get('retry-after'),
        json: jsonOf(text),
        text,
      }
    } catch (error) {
      if (scope.signal.reason === timedOut)
        return {
          kind: 'lost',
          error: `no answer within ${Math.round(timeoutMs / 100) / 10} s`,
          isTimeout: true,
        }
      if (scope.signal.aborted) return { kind: 'lost', error: 'it was stopped', isTimeout: false }
      const code = codeOf(error)
      return code !== null && unsentCodes.has(code)
        ? { kind: 'unsent', error: described(error) }
        : { kind: 'lost', error: described(error), isTimeout: false }
    } finally {
      stopTimer()
      signal?.removeEventListener('abort', abort)
    }
  }
}

async function boundedText(response: Response): Promise<string> {
  if (response.body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    if (bytes > mostBytes) throw new RangeError(`the answer is longer than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string | null {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error
  const code: unknown = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : null
  return typeof code === 'string' ? code : null
}

/** M60: never an empty text. */
function described(error: unknown): string {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error
  const code = codeOf(error)
  if (!(cause instanceof Error)) return String(cause)
  const name = code ?? cause.name
  if (cause.message === '') return `${name} (no message: likely a connection reset, or a silent timeout)`
  return cause.message.startsWith(name) || cause.message.includes(name)
    ? cause.message
    : `${name}: ${cause.message}`
}
