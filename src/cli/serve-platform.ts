/** `serve --platform`: the platform on a port of its own, until it is told to stop. */
import { loadConfig } from '../config/load.js'
import { DelegationError } from '../index.js'
import { servePlatform, type ServedPlatform } from '../platform/platform.js'
import { exitCodes, printOut, printProblem } from './render.js'
import type { ServeOptions } from './serve.js'
import { onStopSignal } from './stop-signals.js'
import { UsageError } from './usage-error.js'

/** Messages that are under way may end for `platform.drain_seconds`; what is left then is the next process's. */
export async function servePlatformUntilStopped(options: ServeOptions): Promise<number> {
  const { platform: config } = await loadConfig({ path: options.config })
  const stop = new AbortController()
  const signals = onStopSignal(() => stop.abort())
  try {
    const adminToken = config.adminTokenEnv === null ? null : operatorToken(config.adminTokenEnv)
    const served = await opened(() =>
      servePlatform({
        ...config.options,
        host: options.host ?? config.host,
        port: options.port ?? config.port,
        ...(config.url !== null && { publicUrl: config.url }),
        ...(adminToken !== null && { adminToken }),
        onFault: (error) =>
          printProblem(error instanceof Error ? (error.stack ?? error.message) : String(error)),
      }),
    )
    printOut(`serving the platform at ${served.url}\n`)
    await aborted(stop.signal)
    await served.close({ graceMs: config.drainMs })
    return exitCodes.ok
  } finally {
    signals.release()
  }
}

function operatorToken(variable: string): string {
  const value = process.env[variable] ?? ''
  if (value === '') throw new UsageError(`platform.admin_token_env: the variable ${variable} is not set`)
  return value
}

async function opened(open: () => Promise<ServedPlatform>): Promise<ServedPlatform> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof DelegationError) throw error
    throw new UsageError(`serve --platform cannot start: ${(error as Error).message}`)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
