import type { RunnerReference } from '../index.js'
import { createPeerConnection } from './peer-client.js'
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
  const connection = createPeerConnection(options as unknown as PeerSettings, process.env, systemTime)
  try {
    const { card } = await connection.client()
    const { name, url, version, transport, streaming, push, deduplicates } = card
    const milliseconds = Math.round(systemTime.monotonicMs() - startMs)
    return { name, url, version, transport, streaming, push, deduplicates, milliseconds }
  } finally {
    connection.close()
  }
}
