/** What a peer's answer means. Pure, total: every shape is one of five outcomes, and none is taken for another. */
import { isJsonObject, type Json, type JsonObject } from '../runner.js'
import type { HttpOutcome } from './http-call.js'

export type PeerReply =
  | { readonly kind: 'done'; readonly text: string }
  /** An acknowledgement: the peer is busy, and the answer will come. Never a failure, and never the answer. */
  | { readonly kind: 'queued'; readonly queueId: string | null }
  /** A task of A2A that goes on. */
  | { readonly kind: 'working'; readonly taskId: string }
  | {
      readonly kind: 'asks'
      readonly question: string
      readonly taskId: string
      readonly contextId: string | null
    }
  | {
      readonly kind: 'failed'
      readonly error: string
      readonly reason: FailureReason
      /** The peer has refused to take it, so that sending it once more does nothing twice. */
      readonly retry: { readonly afterMs: number } | null
    }

export type FailureReason =
  | 'canceled'
  | 'crashed'
  | 'discovery_error'
  | 'http_error'
  | 'invalid_json'
  | 'network_error'
  | 'no_answer'
  | 'no_url'
  | 'offline'
  | 'peer_error'
  | 'rpc_error'
  | 'timeout'
  | 'unexpected_shape'

const quotedCharacters = 200

export function failed(
  reason: FailureReason,
  error: string,
  retry: { readonly afterMs: number } | null = null,
): Extract<PeerReply, { kind: 'failed' }> {
  return { kind: 'failed', reason, error, retry }
}

/** Of an HTTP answer to a message, or to the question how its task is. */
export function readReply(answer: Extract<HttpOutcome, { kind: 'answer' }>): PeerReply {
  const { status, json, text } = answer
  const body = isJsonObject(json) ? json : {}
  const isTaken = status >= 200 && status < 300
  if (isTaken && isQueueAck(body)) return { kind: 'queued', queueId: textIn(body, 'queue_id') }
  if (status !== 200) return readStatus(answer, body)
  if (json === undefined) return failed('invalid_json', 'Invalid JSON response')
  if (body['result'] !== undefined && body['result'] !== null) return readResult(body['result'])
  if (body['error'] !== undefined && body['error'] !== null)
    return failed('rpc_error', rpcErrorText(body['error']) + hints(body))
  return failed('unexpected_shape', `unexpected response shape: ${text.slice(0, quotedCharacters)}`)
}

/** M23, M62: the exact boolean, or the word of a peer that fetches its messages itself. */
function isQueueAck(body: JsonObject): boolean {
  const isEnvelope = body['result'] !== undefined || body['error'] !== undefined
  return !isEnvelope && (body['queued'] === true || body['status'] === 'queued')
}

function readStatus(
  { status, retryAfter, text }: Extract<HttpOutcome, { kind: 'answer' }>,
  body: JsonObject,
) {
  const said = textIn(body, 'error') ?? (isJsonObject(body['error']) ? rpcErrorText(body['error']) : null)
  const told = (said ?? text.slice(0, quotedCharacters)) + hints(body)
  const error = `HTTP ${status}${told === '' ? '' : `: ${told}`}`
  // Busy means that it may have been delivered: once more would do it twice.
  const isRefused =
    status === 429 ||
    (status === 503 &&
      body['busy'] !== true &&
      (body['restarting'] === true || body['waking'] === true || retryAfter !== null))
  if (!isRefused || body['delivery_confirmed'] === true) return failed('http_error', error)
  return failed('http_error', error, { afterMs: retryAfterMs(retryAfter, body['retry_after']) })
}

function retryAfterMs(header: string | null, inBody: Json | undefined): number {
  if (header !== null && /^\d+$/.test(header.trim())) return Number(header) * 1000
  return Number.isInteger(inBody) ? (inBody as number) * 1000 : 0
}

function hints(body: JsonObject): string {
  if (body['restarting'] !== true) return ''
  const after = body['retry_after']
  return typeof after === 'number' ? ` (restarting, retry_after=${after}s)` : ' (restarting)'
}

/** M59. */
function rpcErrorText(error: Json): string {
  if (typeof error === 'string') return error
  const { message, code } = isJsonObject(error) ? error : {}
  const hasMessage = typeof message === 'string' && message !== ''
  if (typeof code !== 'number') return hasMessage ? message : 'JSON-RPC error with no message'
  return hasMessage ? `${message} (code=${code})` : `JSON-RPC error with no message (code=${code})`
}

/** A Message or a Task, of protocol 0.3 or 1.0. */
function readResult(given: Json): PeerReply {
  if (typeof given === 'string') return doneWith(given)
  const result = isJsonObject(given) ? (objectIn(given, 'task') ?? objectIn(given, 'message') ?? given) : null
  if (result === null) return failed('unexpected_shape', `unexpected result: ${shown(given)}`)
  const status = objectIn(result, 'status') ?? {}
  const state =
    textIn(status, 'state')
      ?.toLowerCase()
      .replace(/^task_state_/, '')
      .replaceAll('_', '-') ?? null
  const taskId = textIn(result, 'id') ?? ''
  const artifacts = listIn(result, 'artifacts')
    .filter(isJsonObject)
    .flatMap((artifact) => listIn(artifact, 'parts'))
  const parts = [...artifacts, ...listIn(result, 'parts')]
  const statusParts = listIn(objectIn(status, 'message') ?? {}, 'parts')
  const text = textOf(parts) ?? textOf(statusParts)
  switch (state) {
    case 'submitted':
    case 'working':
      return taskId === ''
        ? failed('unexpected_shape', 'the peer goes on with a task that has no id')
        : { kind: 'working', taskId }
    case 'input-required':
    case 'auth-required': {
      const question = textOf(statusParts) ?? text ?? `the peer's task is ${state}`
      return { kind: 'asks', question, taskId, contextId: textIn(result, 'contextId') }
    }
    case null:
    case 'completed':
      break
    default:
      return failed('peer_error', textOf(statusParts) ?? text ?? `the peer's task ended as ${state}`)
  }
  if (text !== null) return doneWith(text)
  // Data and files are an answer, too; what is none of them is not.
  if (parts.length > 0) return { kind: 'done', text: JSON.stringify(parts) }
  if (state === 'completed' || Array.isArray(result['parts'])) return { kind: 'done', text: '(no response)' }
  return failed('unexpected_shape', `unexpected result: ${shown(given)}`)
}

/** A runtime of Molecule reports its crash in an envelope of success (M92). */
function doneWith(text: string): PeerReply {
  return text.startsWith('Agent error:') ? failed('peer_error', text) : { kind: 'done', text }
}

/** M31: every text, in order, a line each; null when there is none. */
function textOf(parts: readonly Json[]): string | null {
  const texts = parts.filter(isJsonObject).flatMap((part) => {
    const kind = part['kind'] ?? part['type']
    const root = objectIn(part, 'root') ?? part
    const { text } = root
    return typeof text === 'string' && (kind === undefined || kind === 'text') ? [text] : []
  })
  return texts.length === 0 ? null : texts.join('\n')
}

const shown = (value: Json): string => JSON.stringify(value).slice(0, quotedCharacters)

export function textIn(object: JsonObject, key: string): string | null {
  const value = object[key]
  return typeof value === 'string' && value !== '' ? value : null
}

function objectIn(object: JsonObject, key: string): JsonObject | null {
  const value = object[key]
  return isJsonObject(value) ? value : null
}

function listIn(object: JsonObject, key: string): readonly Json[] {
  const value = object[key]
  return Array.isArray(value) ? (value as readonly Json[]) : []
}
