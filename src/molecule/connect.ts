/** From what is said of a platform to what jobs run with; the same in the host and in a runner's thread. */
import { createHttpCaller } from './http-call.js'
import type { JobContext } from './send-job.js'
import { createPlatform } from './platform-api.js'
import { readSettings, type MoleculeConnection } from './settings.js'
import type { Clock } from '../index.js'

export interface ConnectOptions extends MoleculeConnection {
  /** @defaultValue `process.env` */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** @defaultValue the built-in one */
  readonly fetch?: typeof globalThis.fetch
  /** @defaultValue the machine's own time */
  readonly clock?: Clock
  /** In [0, 1). @defaultValue the machine's own chance */
  readonly random?: () => number
}

export function connect(options: ConnectOptions): JobContext | { readonly problems: readonly string[] } {
  const { env = process.env, fetch = globalThis.fetch, clock = ownTime, random = ownChance } = options
  const settings = readSettings(options, env)
  if ('problems' in settings) return settings
  const call = createHttpCaller(fetch, clock)
  const tokenOf = (source: string): string | null => {
    const name = settings.workspaces.find(({ id }) => id === source)?.tokenEnv
    return (name !== undefined && env[name]) || null
  }
  return { settings, clock, random, call, platform: createPlatform({ settings, call, tokenOf }) }
}

const ownTime: Clock = {
  now: () => Date.now() / 1000,
  monotonicMs: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, 2 ** 31 - 1)).unref()
    return () => clearTimeout(timer)
  },
}

/** Spreads retries; nobody's secret depends on it. */
function ownChance(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32
}
