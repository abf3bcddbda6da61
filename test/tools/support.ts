import { createTools, type PeerDirectory, type Tools, type ToolsOptions } from '../../src/tools/tools.js'
import type { DelegatorOptions } from '../../src/index.js'
import { open, quick } from '../runtime/support.js'

export async function openTools(
  options: Partial<ToolsOptions> = {},
  given: DelegatorOptions = {},
): Promise<Tools & { readonly delegator: ToolsOptions['delegator'] }> {
  const delegator = options.delegator ?? (await open({ runner: quick, ...given }))
  return { ...createTools({ sessionKey: 's1', ...options, delegator }), delegator }
}

const none = () => Promise.reject(new Error('not here'))

/** A directory in which every call fails. */
export const noPeers: PeerDirectory = {
  list: none,
  self: none,
  delegate: none,
  delegateAsync: none,
  status: none,
  sendToUser: none,
}
