import type { RunnerReference } from '../index.js'
import { needingSdk } from './peer-child.js'
import type { PeerFacts } from './ping.js'

/**
 * Reads the card of a peer that `peerRunner` made, and says what would be used of it.
 * @throws {Error} with one of the codes `PEER_...` (docs/errors.md).
 */
export async function pingPeer(runner: RunnerReference): Promise<PeerFacts> {
  const { ping } = await needingSdk(import('./ping.js'))
  return ping(runner)
}
