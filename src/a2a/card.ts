/** A peer's card: where it is read, and which of its interfaces is used. */
import type { AgentCard, AgentInterface } from '@a2a-js/sdk'
import { DefaultAgentCardResolver } from '@a2a-js/sdk/client'
import { checkAddress, type PeerHttp } from './peer-http.js'
import { PeerError, peerErrorOf, QueuedAck } from './peer-error.js'
import type { PeerSettings } from './peer-options.js'

/** Says in a card that a message with a known `messageId` is taken for the same one (7.3, 7). */
export const deduplicatingExtension = 'urn:hermes-delegate:a2a:deduplicates-message-id'

export interface PeerCard {
  /** With the chosen interface as its only one. */
  readonly card: AgentCard
  readonly name: string
  readonly version: '1.0' | '0.3'
  readonly transport: 'JSONRPC' | 'HTTP+JSON'
  readonly url: string
  readonly streaming: boolean
  readonly push: boolean
  readonly deduplicates: boolean
}

const wellKnown = ['/.well-known/agent-card.json', '/.well-known/agent.json'] as const
const resolver = new DefaultAgentCardResolver({ legacyCompat: { enabled: true } })

/** The origins that a peer may use: its own, and those that were allowed to it. */
export function originsOf({ url, card, allowOrigins }: PeerSettings): ReadonlySet<string> {
  return new Set([new URL(url ?? card ?? '').origin, ...allowOrigins])
}

/** @throws {PeerError} PEER_CARD when it is none, or offers nothing that can be used; PEER_ADDRESS. */
export async function readCard(settings: PeerSettings, http: PeerHttp): Promise<PeerCard> {
  const raw = await fetchCard(settings, http)
  let card: AgentCard
  try {
    card = resolver.normalizeAgentCard(raw)
  } catch (cause) {
    throw new PeerError('PEER_CARD', "the peer's card cannot be read", unusable, cause)
  }
  const interfaces: unknown = (card as AgentCard | null)?.supportedInterfaces
  if (!Array.isArray(interfaces))
    throw new PeerError('PEER_CARD', "the peer's card names no interface", unusable)
  const chosen = chooseInterface(interfaces as (AgentInterface | null)[], settings)
  const extensions: unknown = card.capabilities?.extensions
  const declares =
    Array.isArray(extensions) &&
    extensions.some((each: { uri?: unknown } | null) => each?.uri === deduplicatingExtension)
  return {
    card: { ...card, supportedInterfaces: [chosen.face] },
    name: typeof card.name === 'string' ? card.name.slice(0, 200) : '',
    version: chosen.version,
    transport: chosen.transport,
    url: chosen.face.url,
    streaming: card.capabilities?.streaming === true,
    push: card.capabilities?.pushNotifications === true,
    deduplicates: settings.deduplicates ?? declares,
  }
}

const unusable = { mayBeDelivered: false, isPassing: false } as const

async function fetchCard({ url, card }: PeerSettings, http: PeerHttp): Promise<unknown> {
  const base = url?.replace(/\/+$/, '')
  const places = card === undefined ? wellKnown.map((path) => `${base}${path}`) : [card]
  for (const [index, place] of places.entries()) {
    try {
      const response = await http.fetch(place, {
        headers: { 'A2A-Version': '1.0', accept: 'application/json' },
      })
      if (response.ok) return await response.json()
      throw new PeerError('PEER_HTTP', `HTTP ${response.status}`, {
        status: response.status,
        isPassing: false,
      })
    } catch (thrown) {
      const error = peerErrorOf(thrown)
      if (error instanceof PeerError && error.status === 404 && index + 1 < places.length) continue
      throw cardError(error, place)
    }
  }
  throw new PeerError('PEER_CARD', 'the peer has no card', unusable)
}

/** Nothing was delivered by reading a card, whatever came of it. */
function cardError(error: PeerError | QueuedAck, place: string): PeerError {
  if (error instanceof QueuedAck) return new PeerError('PEER_CARD', `there is no card at ${place}`, unusable)
  const { isPassing, retryAfterMs, status } = error
  const facts = {
    mayBeDelivered: false,
    isPassing,
    ...(retryAfterMs !== null && { retryAfterMs }),
    ...(status !== null && { status }),
  }
  const isOfCard = error.code === 'PEER_HTTP' || error.code === 'PEER_RESPONSE'
  return new PeerError(
    isOfCard ? 'PEER_CARD' : error.code,
    `no card from ${place}: ${error.message}`,
    facts,
    error,
  )
}

interface Chosen {
  readonly face: AgentInterface
  readonly version: '1.0' | '0.3'
  readonly transport: 'JSONRPC' | 'HTTP+JSON'
}

/** 1.0 before 0.3, JSON-RPC before HTTP+JSON; among equals the card's own order. Others, such as gRPC, are not spoken. */
function chooseInterface(interfaces: readonly (AgentInterface | null)[], settings: PeerSettings): Chosen {
  const spoken = interfaces.flatMap((face): Chosen[] => {
    if (face === null || typeof face !== 'object') return []
    const version = versionOf(face.protocolVersion)
    const transport = face.protocolBinding
    if (version === null || (transport !== 'JSONRPC' && transport !== 'HTTP+JSON')) return []
    const isWanted =
      (settings.version ?? version) === version && (settings.transport ?? transport) === transport
    return isWanted && typeof face.url === 'string' && URL.canParse(face.url)
      ? [{ face, version, transport }]
      : []
  })
  const rank = ({ version, transport }: Chosen): number =>
    (version === '1.0' ? 0 : 2) + (transport === 'JSONRPC' ? 0 : 1)
  const [best] = [...spoken].sort((a, b) => rank(a) - rank(b))
  if (best === undefined) {
    const offered = interfaces.map((face) => `${face?.protocolBinding} ${face?.protocolVersion}`).slice(0, 10)
    const message = `the peer offers no interface that is spoken here: ${offered.join(', ').slice(0, 300) || 'none at all'}`
    throw new PeerError('PEER_CARD', message, unusable)
  }
  checkAddress(new URL(best.face.url), originsOf(settings))
  return best
}

function versionOf(text: unknown): '1.0' | '0.3' | null {
  if (typeof text !== 'string') return null
  if (/^1(?:\.\d+)*$/.test(text)) return '1.0'
  return /^0\.3(?:\.\d+)*$/.test(text) ? '0.3' : null
}
