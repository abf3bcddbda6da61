/** Front of the peers, for the host: `hermes-delegate/a2a`. Loads the official SDK only when a peer is talked to. */
import { DelegationError, type RunnerReference } from '../index.js'
import { readPeerOptions, type PeerRunnerOptions } from './peer-options.js'

export {
  createPeerDirectory,
  type PeerDirectoryOptions,
  type PeerStatus,
  type PeerWorkspaces,
} from './peers.js'
export { pushReceiver, type PushReceiverOptions } from './push.js'
export type { PeerRunnerOptions } from './peer-options.js'
export { pingPeer } from './ping-peer.js'
export type { PeerFacts } from './ping.js'

/** Where its children run, and what becomes of them when their host dies. */
export type PeerReferenceOptions = Pick<RunnerReference, 'placement' | 'idempotent' | 'onOwnerDeath'>

/**
 * An agent elsewhere, over A2A 1.0 or 0.3. Its children wait more than they work, so that they share threads, and an
 * adopter goes on following their tasks. They need the package `@a2a-js/sdk`.
 * @throws {DelegationError} RUNNER_INVALID with a line for each problem.
 */
export function peerRunner(
  options: PeerRunnerOptions,
  reference: PeerReferenceOptions = {},
): RunnerReference {
  const read = readPeerOptions(options)
  if ('problems' in read) throw new DelegationError('RUNNER_INVALID', { problems: read.problems })
  const address = read.settings.url ?? read.settings.card
  return {
    url: new URL('./peer-child.js', import.meta.url).href,
    export: 'runPeer',
    options: read.settings,
    placement: 'shared',
    // One timer, one pool of connections and one list serve all of a peer's tasks.
    ...(address !== undefined && { together: address }),
    onOwnerDeath: 'adopt',
    // A task that goes on quietly elsewhere is not stuck.
    reportsProgress: false,
    ...reference,
  }
}

/** True for what `peerRunner` made. */
export function isPeerRunner({ url, export: name }: RunnerReference): boolean {
  return name === 'runPeer' && url === new URL('./peer-child.js', import.meta.url).href
}
