import { AgentError } from './agent-error.js'

/** Later majors need a later Node than ours. */
const majors = { ai: 6, '@ai-sdk/openai-compatible': 2, '@modelcontextprotocol/client': 2 } as const
type Package = keyof typeof majors

/**
 * A module of ours that needs packages which are installed only where this runner is used.
 * @throws {AgentError} AGENT_PACKAGE_MISSING naming what is to be installed.
 */
export async function needing<T>(packages: readonly Package[], module: Promise<T>): Promise<T> {
  try {
    return await module
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const missing = /Cannot find package '([^']+)'/.exec(message)?.[1]
    if (code !== 'ERR_MODULE_NOT_FOUND' || missing === undefined) throw cause
    const install = packages.map((name) => `${name}@${majors[name]}`).join(' ')
    throw new AgentError(
      'AGENT_PACKAGE_MISSING',
      `the agent runner needs the package ${missing}, which is not installed: npm install ${install}`,
      cause,
    )
  }
}
