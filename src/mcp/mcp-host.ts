/** What connections are served with: one delegator, one session, the tools over both. */
import type { Delegator } from '../index.js'
import type { ToolsOptions } from '../tools/tools.js'

export interface McpOptions extends Pick<ToolsOptions, 'delegator' | 'onRefusal' | 'peers' | 'memory'> {
  /**
   * Whose units they are: what is delegated belongs to it, in every process that shares the ledger; nobody else's ids are
   * known. Not empty.
   */
  readonly sessionKey: string
}

export interface McpHost {
  readonly delegator: Delegator
  readonly options: McpOptions
  sessionKey(): string
}

/** @throws {TypeError} without a session: its tasks would not be found again after a restart. */
export function mcpHost(options: McpOptions): McpHost {
  if (typeof options.sessionKey !== 'string' || options.sessionKey === '')
    throw new TypeError('sessionKey: a text that is not empty was expected')
  const { delegator } = options
  return {
    options,
    sessionKey: () => options.sessionKey,
    delegator: {
      ...delegator,
      // A client has one id for what it has called: that of a task.
      dispatchBatch: (call) => delegator.dispatchBatch({ ...call, independentCompletions: false }),
    },
  }
}
