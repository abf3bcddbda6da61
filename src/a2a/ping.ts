import type { RunnerReference } from '../index.js'
import { createPeerConnection } from './peer-client.js'
import { PeerError, peerErrorOf } from './peer-error.js'
import { withoutTokens } from './peer-secrets.js'
import type { PeerSettings } from './peer-options.js'
import { systemTime } from './peer-time.js'

/** What a peer's card says, and how long it took to say it. */
export interface PeerFacts {
  readonly name: string
  readonly url: string
  readonly version: '1.0' | '0.3'
  readonly transport: 'JSONRPC' | 'HTTP+JSON'
  readonly streaming: boolean
  readonly push: boolean
  readonly deduplicates: boolean
  readonly milliseconds: number
}

/** @throws {PeerError} */
export async function ping({ options }: RunnerReference): Promise<PeerFacts> {
  const startMs = systemTime.monotonicMs()
  const settings = options as unknown as PeerSettings
  const connection = createPeerConnection(settings, process.env, systemTime)
  const struck = withoutTokens(settings, process.env)
  try {
    const { card } = await connection.client()
    const { name, url, version, transport, streaming, push, deduplicates } = card
    const milliseconds = Math.round(systemTime.monotonicMs() - startMs)
    return struck({ name, url, version, transport, streaming, push, deduplicates, milliseconds })
  } catch (thrown) {
    const error = peerErrorOf(thrown)
    // Its cause has what was struck out.
    throw error instanceof PeerError ? new PeerError(error.code, struck(error.message)) : error
  } finally {
    connection.close()
  }
}
