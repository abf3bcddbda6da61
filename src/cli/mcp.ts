/** `mcp`: a server for one client, over standard input and output. Standard output is the protocol's alone. */
import type { Delegator } from '../index.js'
import type * as McpFront from '../mcp/mcp.js'
import { openDelegator, type CommandOptions, type Opened } from './open.js'
import { exitCodes, printProblem } from './render.js'
import { runnerNamed } from './runner-named.js'
import { onStopSignal } from './stop-signals.js'
import { openSurroundings, type ToolSurroundings } from './tool-surroundings.js'
import { UsageError } from './usage-error.js'

/** Options of `mcp`, as commander hands them over. */
export interface McpCommandOptions extends CommandOptions {
  readonly runner?: string
  readonly session?: string
}

/** Clients kill a server that is not gone soon after SIGTERM: by then the ends have to be in the ledger. */
const clientPatienceMs = 1_000

/** Serves until the client leaves, then until what runs has ended: its results are kept. */
export async function mcp(options: McpCommandOptions): Promise<number> {
  if (options.session === '') throw new UsageError('--session: a text that is not empty was expected')
  const { serveMcpStdio } = await loadServer()
  const opened = await openDelegator(options, (config) => ({ runner: runnerNamed(options.runner, config) }))
  const { delegator } = opened
  const sessionKey = options.session ?? `mcp:${process.cwd()}`
  const surroundings = await openedWith(opened, sessionKey)
  const connection = serveMcpStdio({
    delegator,
    sessionKey,
    ...surroundings.tools,
    onError: (error) => printProblem(`mcp: ${error.message}`),
  })
  const stopped = new AbortController()
  const signals = onStopSignal((name, urgency) => {
    const graceMs = urgency === 'order' ? 0 : clientPatienceMs
    void delegator
      .interruptAll(`the client of MCP has ended (${name})`, { graceMs })
      .finally(() => stopped.abort())
  })
  try {
    const stop = new Promise<void>((resolve) => stopped.signal.addEventListener('abort', () => resolve()))
    await Promise.race([connection.ended, stop])
    await connection.close()
    await Promise.race([allEnded(delegator), stop])
    return signals.code ?? exitCodes.ok
  } finally {
    await opened.close()
    await surroundings.close()
    signals.release()
  }
}

/** What cannot be opened leaves nothing open. */
async function openedWith(opened: Opened, sessionKey: string): Promise<ToolSurroundings> {
  try {
    return await openSurroundings({ ...opened, sessionKey })
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** What this process runs, and what its children start meanwhile. */
async function allEnded(delegator: Delegator): Promise<void> {
  while (delegator.activeCount() > 0) {
    const ids = delegator.snapshot().units.map(({ delegation_id: id }) => id)
    await Promise.allSettled(ids.map((id) => delegator.wait(id)))
  }
}

/** @throws {UsageError} naming what is to be installed. */
async function loadServer(): Promise<Pick<typeof McpFront, 'serveMcpStdio'>> {
  try {
    return await import('../mcp/mcp.js')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const missing = /Cannot find package '([^']+)'/.exec(message)?.[1]
    if (code !== 'ERR_MODULE_NOT_FOUND' || missing === undefined) throw cause
    const install = 'npm install @modelcontextprotocol/server@2'
    throw new UsageError(`mcp needs the package ${missing}, which is not installed: ${install}`)
  }
}
