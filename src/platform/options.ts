import { randomUUID } from 'node:crypto'
import type { Clock } from '../index.js'
import type { AddressRules } from './workspace-http.js'

export interface PlatformOptions extends Partial<AddressRules> {
  /** The file all of it is kept in; made 0600 where it is not there. One process at a time. */
  readonly path: string
  /**
   * At least 16 characters. It may do what a workspace may, registers new ones, and alone says who stands where. Without
   * it whoever reaches the port may register under a new id, anywhere in the hierarchy.
   */
  readonly adminToken?: string
  /**
   * Where workspaces reach the platform, without a path. A name other than localhost is let in by it alone.
   * @defaultValue what the request's `Host` says
   */
  readonly publicUrl?: string
  /** Of a workspace that does not say it, from 1 up. @defaultValue 1 */
  readonly maxConcurrentTasks?: number
  /** A workspace that is silent for so long is offline, ms. @defaultValue 90_000 */
  readonly heartbeatTimeoutMs?: number
  /** One that is silent for so long makes what it works on `stuck`, a warning, ms. @defaultValue 600_000 */
  readonly stuckMs?: number
  /** How long one message may take at a workspace, ms. @defaultValue 1_800_000 */
  readonly taskTimeoutMs?: number
  /** From its acceptance to its end, in the queue or not, ms. @defaultValue 21_600_000 */
  readonly deadlineMs?: number
  /**
   * Most messages that wait for one workspace; more are refused. One caller may have half of them, or 10 if that is more.
   * @defaultValue 1_000
   */
  readonly maxQueued?: number
  /** @defaultValue 10_000 */
  readonly maxWorkspaces?: number
  /** How long what has ended is kept, ms. @defaultValue 2_592_000_000, 30 days */
  readonly retentionMs?: number
  /** Between two looks at what is overdue or silent, ms. @defaultValue 10_000 */
  readonly sweepMs?: number
  /** Before a task that a workspace works on is asked about, ms; later ones wait longer, up to 30 s. @defaultValue 2_000 */
  readonly pollMs?: number
  readonly clock?: Clock
  /** For ids. @defaultValue random UUIDs */
  readonly newId?: () => string
  /** Trouble that nobody waits for, such as a full disk in the background. Must not throw. @defaultValue ignored */
  readonly onFault?: (error: unknown) => void
}

const counts = {
  maxConcurrentTasks: 1,
  heartbeatTimeoutMs: 90_000,
  stuckMs: 600_000,
  taskTimeoutMs: 1_800_000,
  deadlineMs: 21_600_000,
  maxQueued: 1_000,
  maxWorkspaces: 10_000,
  retentionMs: 30 * 24 * 3_600_000,
  sweepMs: 10_000,
  pollMs: 2_000,
} as const

export type ResolvedOptions = Readonly<Record<keyof typeof counts, number>> &
  AddressRules & {
    readonly path: string
    readonly adminToken: string | null
    readonly publicUrl: string | null
    readonly clock: Clock
    readonly newId: () => string
    readonly onFault: (error: unknown) => void
  }

const leastTokenCharacters = 16

const systemClock: Clock = {
  now: () => Date.now() / 1000,
  monotonicMs: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, 2 ** 31 - 1)).unref()
    return () => clearTimeout(timer)
  },
}

/** @throws {TypeError} naming the option, the bound and the value */
export function resolveOptions(options: PlatformOptions): ResolvedOptions {
  const { path, adminToken = null, publicUrl = null, clock = systemClock, newId = randomUUID } = options
  if (typeof path !== 'string' || path === '') throw new TypeError('Expected `path` to be the path of a file')
  if (adminToken !== null && (typeof adminToken !== 'string' || adminToken.length < leastTokenCharacters))
    throw new TypeError(`Expected \`adminToken\` to be a text of ${leastTokenCharacters} characters or more`)
  if (publicUrl !== null && !/^https?:$/.test(URL.canParse(publicUrl) ? new URL(publicUrl).protocol : ''))
    throw new TypeError(`Expected \`publicUrl\` to be a URL of http or https, got ${publicUrl}`)
  const numbers = Object.fromEntries(
    Object.entries(counts).map(([name, byDefault]) => {
      const value = options[name as keyof typeof counts] ?? byDefault
      if (!Number.isInteger(value) || value < 1)
        throw new TypeError(`Expected \`${name}\` to be a whole number from 1 up, got ${value}`)
      return [name, value]
    }),
  ) as Readonly<Record<keyof typeof counts, number>>
  return Object.freeze({
    ...numbers,
    path,
    adminToken,
    publicUrl: publicUrl?.replace(/\/+$/, '') ?? null,
    allowLoopback: options.allowLoopback === true,
    allowPrivate: options.allowPrivate === true,
    clock,
    newId,
    onFault: options.onFault ?? (() => undefined),
  })
}
