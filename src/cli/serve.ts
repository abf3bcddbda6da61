import type { CallerOptions, HttpServer, Routes } from '../a2a/server/server.js'
import type { Config } from '../config/load.js'
import type { Delegator } from '../index.js'
import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, printOut, printProblem } from './render.js'
import { runnerNamed } from './runner-named.js'
import { onStopSignal } from './stop-signals.js'
import { UsageError } from './usage-error.js'

/** Options of `serve`, as commander hands them over. */
export interface ServeOptions extends CommandOptions {
  readonly host?: string
  readonly port?: number
  readonly platform?: boolean
}

/**
 * Serves until it is told to stop. Then it takes nothing new, lets what runs go on for `serve.drain_seconds`, stops the
 * rest, and lets every stream say how its task ended. Being stopped is how a server ends: that is no failure.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { createA2AServer, createCallers, createHttpServer } = await loadServer()
  // Its sessions are named after its callers.
  const opened = await openDelegator(options, undefined, (key) => /^a2a:([^:]+):/.exec(key)?.[1] ?? null)
  const { config } = opened
  const delegator = await tracedWhereItCan(opened.delegator)
  const { card, push, maxBodyBytes, maxStreams, drainMs } = config.serve
  const stop = new AbortController()
  const hurry = new AbortController()
  const signals = onStopSignal((_name, urgency) => {
    stop.abort()
    if (urgency === 'order') hurry.abort()
  })
  const host = options.host ?? config.serve.host
  const given = options.port ?? config.serve.port
  try {
    const callers = callersOf(config)
    checked(() => createCallers(callers))
    const routes: Routes[] = []
    const http = createHttpServer(routes, { tell: printProblem })
    const port = await listening(http, given, host)
    try {
      const own = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
      const url = config.serve.url ?? own
      const limits = { maxBodyBytes, maxStreams, keepSeconds: config.ledger.retentionSeconds }
      const server = await createA2AServer(delegator, {
        card,
        url,
        callers,
        push,
        ...limits,
        tell: printProblem,
      })
      routes.push(server.routes)
      printOut(`serving A2A at ${own}\n`)
      await aborted(stop.signal)
      http.refuse()
      await drained(delegator, drainMs, hurry.signal)
      await http.settle()
      await server.stop()
    } finally {
      await http.close()
    }
    return exitCodes.ok
  } finally {
    await opened.close()
    signals.release()
  }
}

/** The package is optional, so that who serves nobody need not have it. */
async function loadServer() {
  try {
    return await import('../a2a/server/server.js')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError('serve needs a package that is not installed: npm install @a2a-js/sdk@1')
  }
}

/** Whoever registers an SDK of OpenTelemetry (`--import`) has its API, too; without it there is nobody to tell. */
async function tracedWhereItCan(delegator: Delegator): Promise<Delegator> {
  try {
    const { traced } = await import('../telemetry/telemetry.js')
    return traced(delegator)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    return delegator
  }
}

/** With the tokens that their variables hold. */
function callersOf(config: Config): Record<string, CallerOptions> {
  const callers = Object.entries(config.serve.callers)
  if (callers.length === 0)
    throw new UsageError('serve.callers names nobody who may call: give each a token_env and a runner')
  return Object.fromEntries(
    callers.map(([name, { tokenEnv, runner, pushSecretEnv, maxTasks, maxStreams }]) => {
      const secret = pushSecretEnv === null ? {} : { pushSecret: fromVariable(name, pushSecretEnv) }
      const shares = { ...(maxTasks !== null && { maxTasks }), ...(maxStreams !== null && { maxStreams }) }
      const token = fromVariable(name, tokenEnv)
      return [name, { token, runner: runnerNamed(runner, config), ...secret, ...shares }]
    }),
  )
}

/** What is wrong with the callers is the configuration's. */
function checked(make: () => unknown): void {
  try {
    make()
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(`serve.callers: ${error.message}`) : error
  }
}

const leastCharacters = 16

function fromVariable(caller: string, variable: string): string {
  const value = process.env[variable] ?? ''
  if (value.length >= leastCharacters) return value
  const what = value === '' ? 'is not set' : `has fewer than ${leastCharacters} characters`
  throw new UsageError(`serve.callers.${caller}: the variable ${variable} ${what}`)
}

async function listening(http: HttpServer, port: number, host: string): Promise<number> {
  try {
    return await http.listen(port, host)
  } catch (error) {
    throw new UsageError(`serve cannot listen on ${host}:${port}: ${(error as Error).message}`)
  }
}

/** Nothing of this process runs any more. */
async function drained(delegator: Delegator, ms: number, hurry: AbortSignal): Promise<void> {
  const until = performance.now() + ms
  while (delegator.activeCount() > 0 && performance.now() < until && !hurry.aborted)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  if (delegator.activeCount() > 0) await delegator.interruptAll('the server is being stopped')
}

const pollMs = 50

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
