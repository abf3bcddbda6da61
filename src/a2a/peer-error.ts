/** What can go wrong between us and a peer. */
export type PeerErrorCode =
  | 'PEER_PACKAGE_MISSING'
  | 'PEER_TOKEN_MISSING'
  | 'PEER_CARD'
  | 'PEER_ADDRESS'
  | 'PEER_UNREACHABLE'
  | 'PEER_TIMEOUT'
  | 'PEER_BUSY'
  | 'PEER_HTTP'
  | 'PEER_REDIRECT'
  | 'PEER_TOO_LARGE'
  | 'PEER_RESPONSE'
  | 'PEER_REFUSED'
  | 'PEER_CIRCUIT_OPEN'
  | 'PEER_LOST'

interface PeerErrorFacts {
  /** False: the peer cannot have taken the request. @defaultValue true */
  readonly mayBeDelivered?: boolean
  /** False: the same request would fail again. @defaultValue true */
  readonly isPassing?: boolean
  /** What the peer asked for, ms. */
  readonly retryAfterMs?: number
  /** Of the HTTP answer. */
  readonly status?: number
}

/** An end of one request. The code is the result's `failure_reason` (docs/errors.md). */
export class PeerError extends Error {
  override readonly name = 'PeerError'
  readonly code: PeerErrorCode
  readonly mayBeDelivered: boolean
  readonly isPassing: boolean
  readonly retryAfterMs: number | null
  readonly status: number | null

  constructor(code: PeerErrorCode, message: string, facts: PeerErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.mayBeDelivered = facts.mayBeDelivered ?? true
    this.isPassing = facts.isPassing ?? true
    this.retryAfterMs = facts.retryAfterMs ?? null
    this.status = facts.status ?? null
  }
}

/** The peer has the message in its queue, and gave no task for it (P29). No failure, and no answer either. */
export class QueuedAck extends Error {
  override readonly name = 'QueuedAck'
  readonly queueId: string | null
  readonly depth: number | null

  constructor(body: Readonly<Record<string, unknown>>) {
    super('the peer has queued the message')
    const { queue_id: id, queue_depth: depth } = body
    this.queueId = typeof id === 'string' ? id : null
    this.depth = typeof depth === 'number' ? depth : null
  }
}

/** How the SDK's own errors of the protocol are called, whichever transport they came over. */
export function protocolErrorName(error: unknown): string | null {
  return error instanceof Error && 'reason' in error && error.name !== 'Error' ? error.name : null
}

/** Whatever was thrown by a request, as an error of ours. What is none of these was an answer that nobody can read. */
export function peerErrorOf(error: unknown): PeerError | QueuedAck {
  if (error instanceof PeerError || error instanceof QueuedAck) return error
  const message = error instanceof Error && error.message !== '' ? error.message : String(error)
  const name = protocolErrorName(error)
  if (name !== null) return new PeerError('PEER_REFUSED', `${name}: ${message}`, { isPassing: false }, error)
  const nested = error instanceof Error ? error.cause : undefined
  if (nested instanceof PeerError || nested instanceof QueuedAck) return nested
  const text = `the peer's answer is not one of the protocol: ${message.slice(0, 500)}`
  return new PeerError('PEER_RESPONSE', text, { isPassing: false }, error)
}
