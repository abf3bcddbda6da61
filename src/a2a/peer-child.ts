/** The runner, in its thread. What it needs is loaded when a child runs, and not before. */
import { defineRunner } from '../runner.js'
import { PeerError } from './peer-error.js'

export const runPeer = defineRunner(async (task, ctx) => {
  const { runPeerTask } = await needingSdk(import('./run-peer.js'))
  return runPeerTask(task, ctx)
})

/**
 * A module of ours that needs the official SDK, which is installed only where it is used.
 * @throws {PeerError} PEER_PACKAGE_MISSING
 */
export async function needingSdk<T>(module: Promise<T>): Promise<T> {
  try {
    return await module
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND' || !/Cannot find package '@a2a-js\/sdk'/.test(message)) throw cause
    const text = 'peers need the package @a2a-js/sdk, which is not installed: npm install @a2a-js/sdk@1'
    throw new PeerError('PEER_PACKAGE_MISSING', text, { mayBeDelivered: false, isPassing: false }, cause)
  }
}
