/** All that the children of one peer share in their thread: connections, breaker, retry budget, follower. */
import { createFollower, type Follower } from './follower.js'
import { createPeerConnection, type PeerConnection } from './peer-client.js'
import type { PeerError } from './peer-error.js'
import type { PeerSettings } from './peer-options.js'
import type { PeerTime } from './peer-time.js'
import { createBreaker, createRetryBudget, withRetries, type Breaker } from './retry.js'

export interface Peer {
  readonly connection: PeerConnection
  readonly follower: Follower
  readonly breaker: Breaker
  /** @throws {PeerError} once it may not be tried again. */
  attempt<T>(act: () => Promise<T>, how: Attempt): Promise<T>
}

interface Attempt {
  readonly isRepeatable: boolean
  readonly signal: AbortSignal
  readonly onRetry: (error: PeerError, waitMs: number) => void
}

/** @throws {PeerError} PEER_TOKEN_MISSING */
export function createPeer(
  settings: PeerSettings,
  env: Readonly<Record<string, string | undefined>>,
  time: PeerTime,
): Peer {
  const connection = createPeerConnection(settings, env, time)
  const breaker = createBreaker(time)
  const budget = createRetryBudget()
  return {
    connection,
    breaker,
    follower: createFollower(connection, breaker, settings, time),
    attempt(act, how) {
      const onRetry = (error: PeerError, waitMs: number): void => {
        if (error.code === 'PEER_UNREACHABLE') connection.forgetCard()
        how.onRetry(error, waitMs)
      }
      return withRetries(act, { time, breaker, budget, bounds: settings.retry, ...how, onRetry })
    },
  }
}

export interface PeerLease {
  readonly peer: Peer
  release(): void
}

/** For how long the connections of a peer outlive its last child, ms. */
const lingerMs = 10_000

interface KnownPeer {
  readonly peer: Peer
  users: number
  stopTimer: () => void
}

/** Peers of a thread, by what is said of them: few, each for as long as it has children and a little longer. */
export function createPeers(env: Readonly<Record<string, string | undefined>>, time: PeerTime) {
  const peers = new Map<string, KnownPeer>()
  return function lease(settings: PeerSettings): PeerLease {
    const key = JSON.stringify(settings)
    const known = peers.get(key) ?? {
      peer: createPeer(settings, env, time),
      users: 0,
      stopTimer: () => undefined,
    }
    peers.set(key, known)
    known.stopTimer()
    known.users += 1
    return {
      peer: known.peer,
      release() {
        known.users -= 1
        if (known.users > 0) return
        known.stopTimer = time.later(lingerMs, () => {
          peers.delete(key)
          known.peer.connection.close()
        })
      },
    }
  }
}
