import { onTestFinished, vi } from 'vitest'
import { peerRunner, type PeerRunnerOptions } from '../../src/a2a/peer-runner.js'
import type { Delegator, DelegatorOptions, SingleEvent } from '../../src/index.js'
import { idOf, open } from '../runtime/support.js'
import { startSdkServer, type SdkServer, type SdkServerOptions } from '../fixtures/a2a/sdk-server.js'

/** Tests do not wait for a peer to recover. */
export const quickly = {
  retry: { initialMs: 1, maxMs: 10 },
  poll: { initialMs: 5, maxMs: 50 },
  requestTimeoutSeconds: 5,
} as const

/** The official SDK's server; it ends with the test. */
export async function sdkPeer(options: SdkServerOptions = {}): Promise<SdkServer> {
  const server = await startSdkServer(options)
  onTestFinished(() => server.close())
  return server
}

export function openOnPeer(
  url: string,
  options: Partial<PeerRunnerOptions> = {},
  given: DelegatorOptions = {},
): Promise<Delegator> {
  return open({
    runner: peerRunner({ url, ...quickly, ...options }),
    maxUnits: 50,
    interruptGraceMs: 5_000,
    ...given,
  })
}

export async function start(delegator: Delegator, goal: string): Promise<string> {
  return idOf(await delegator.dispatch({ goal, delivery: 'collect' }))
}

/** One delegation, to its end. */
export async function delegate(
  url: string,
  goal: string,
  options: Partial<PeerRunnerOptions> = {},
): Promise<SingleEvent> {
  const delegator = await openOnPeer(url, options)
  return (await delegator.wait(await start(delegator, goal))) as SingleEvent
}

/** Resolves once it holds. */
export async function eventually(holds: () => unknown): Promise<void> {
  await vi.waitFor(
    async () => {
      if (!(await holds())) throw new Error('it does not hold')
    },
    { timeout: 20_000, interval: 10 },
  )
}
