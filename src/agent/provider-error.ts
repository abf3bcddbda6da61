/** What went wrong at the provider, in one word that a program can test, and whether it is worth another try. */
import { APICallError, RetryError } from 'ai'

/** Every `failure_reason` of a result. */
export const failureReasons = [
  'auth',
  'quota',
  'rate_limit',
  'context_overflow',
  'not_found',
  'bad_request',
  'content_filter',
  'server_error',
  'connection',
  'bad_response',
  'empty_answer',
  'max_iterations',
] as const
export type FailureReason = (typeof failureReasons)[number]

/** A call of the model that came to nothing. */
export class ProviderFailure extends Error {
  override readonly name = 'ProviderFailure'
  readonly reason: FailureReason
  /** What the server asked to be waited, ms; null when it did not say. */
  readonly retryAfterMs: number | null

  constructor(reason: FailureReason, message: string, retryAfterMs: number | null = null) {
    super(message)
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }

  get isWorthRetrying(): boolean {
    return ['rate_limit', 'server_error', 'connection', 'bad_response'].includes(this.reason)
  }
}

const messageCharacters = 1_000

const overflow =
  /context[ _-]?(?:length|window|size|limit)|maximum context|(?:prompt|input|request|messages?)\b.{0,40}(?:too long|too large|exceeds?)|too many (?:input )?tokens|(?:exceed|larger|longer|greater).{0,60}(?:context|n_ctx|max(?:imum)?[ _](?:model|input|seq))|reduce the length/i
const outOfMoney = /insufficient_quota|billing|credit balance|exceeded your current quota|payment/i

/** Whatever a call threw. `now` is in ms since the epoch, for a Retry-After that names a time. */
export function failureOf(error: unknown, now: number): ProviderFailure {
  if (error instanceof ProviderFailure) return error
  if (RetryError.isInstance(error)) return failureOf(error.lastError, now)
  if (!APICallError.isInstance(error)) return streamFailure(error)
  const { statusCode: status, responseBody = '', responseHeaders = {} } = error
  if (status === undefined) return new ProviderFailure('connection', told(deepest(error)))
  // A success that could not be read: the connection broke, or it was no stream at all.
  if (status < 400) return streamFailure(error.cause ?? error)
  const text = `${error.message}\n${responseBody.slice(0, 10_000)}`
  const message = told(`HTTP ${status}: ${error.message || responseBody}`)
  return new ProviderFailure(reasonOfStatus(status, text), message, retryAfterMs(responseHeaders, now))
}

function reasonOfStatus(status: number, text: string): FailureReason {
  if (status === 413 || ([400, 422, 500].includes(status) && overflow.test(text))) return 'context_overflow'
  if (status === 401 || status === 403) return 'auth'
  if (status === 402 || (status === 429 && outOfMoney.test(text))) return 'quota'
  if (status === 404) return 'not_found'
  if (status === 429) return 'rate_limit'
  if (status >= 500 || status === 408 || status === 409 || status === 425) return 'server_error'
  return 'bad_request'
}

/** In mid-stream: an error that the server sent as one of its events, a broken connection, or nonsense. */
function streamFailure(error: unknown): ProviderFailure {
  const message = deepest(error)
  const isNetwork = /^(?:E[A-Z]+|UND_ERR_\w+|ERR_STREAM_PREMATURE_CLOSE)$/.test(networkCode(error))
  if (isNetwork) return new ProviderFailure('connection', told(message))
  if (error instanceof Error) return new ProviderFailure('bad_response', told(message))
  const text = JSON.stringify(error) + message
  if (overflow.test(text)) return new ProviderFailure('context_overflow', told(message))
  if (outOfMoney.test(text)) return new ProviderFailure('quota', told(message))
  if (/rate.?limit|\b429\b|too many requests/i.test(text))
    return new ProviderFailure('rate_limit', told(message))
  return new ProviderFailure('server_error', told(message))
}

/** Seconds, a date, or milliseconds in OpenAI's own header. */
export function retryAfterMs(headers: Readonly<Record<string, string>>, now: number): number | null {
  const ms = Number.parseFloat(headers['retry-after-ms'] ?? '')
  if (Number.isFinite(ms) && ms >= 0) return ms
  const given = headers['retry-after']?.trim() ?? ''
  if (given === '') return null
  const seconds = Number(given)
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * 1_000 : null
  const date = Date.parse(given)
  return Number.isNaN(date) ? null : Math.max(0, date - now)
}

function networkCode(error: unknown): string {
  let found = error
  for (let depth = 0; depth < 4 && found instanceof Error; depth += 1) {
    const { code } = found as NodeJS.ErrnoException
    if (typeof code === 'string') return code
    found = found.cause
  }
  return ''
}

/** The innermost message: the outer ones say that something failed. */
function deepest(error: unknown): string {
  let found = error
  for (let depth = 0; depth < 4 && found instanceof Error && found.cause instanceof Error; depth += 1)
    found = found.cause
  const message = fieldOf(found, 'message')
  if (typeof message === 'string' && message !== '') return message
  return typeof found === 'string' ? found : JSON.stringify(found ?? 'it failed without a reason')
}

function fieldOf(from: unknown, key: string): unknown {
  return typeof from === 'object' && from !== null
    ? (from as Readonly<Record<string, unknown>>)[key]
    : undefined
}

function told(message: string): string {
  return message.slice(0, messageCharacters)
}
