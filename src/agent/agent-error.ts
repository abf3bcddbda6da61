/** Why a child of this runner could not even begin, or go on with its tools. */
export type AgentErrorCode =
  | 'AGENT_PACKAGE_MISSING'
  | 'AGENT_OPTIONS_INVALID'
  | 'AGENT_MODEL_MISSING'
  | 'AGENT_KEY_MISSING'
  | 'AGENT_WORKDIR'
  | 'AGENT_TOOLSET_UNKNOWN'
  | 'AGENT_TOOLSET_REFUSED'
  | 'AGENT_MCP_FAILED'

/** Ends the child with status `error`; the code is in the event's `error_detail` (docs/errors.md). */
export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly code: AgentErrorCode

  constructor(code: AgentErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
