/** What the status and the body of an HTTP answer say, before anything of the protocol is read. */
import type { IncomingHttpHeaders } from 'node:http'
import { isJsonObject, type JsonObject } from '../runner.js'
import { PeerError, QueuedAck } from './peer-error.js'

/** An acknowledgement is short. */
const ackBytes = 65_536
const longestRetryAfterMs = 86_400_000

/** What is no answer of the protocol is told here, while its status is still known. */
export function checkAnswer(status: number, headers: IncomingHttpHeaders, body: string): void {
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
function objectIn(body: string, status: number): JsonObject | null {
  if (status === 200 && !/"(?:queued|status)"\s*:\s*(?:true|"queued")/.test(body)) return null
  try {
    const value: unknown = JSON.parse(body)
    return isJsonObject(value) ? value : null
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
