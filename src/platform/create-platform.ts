import { DelegationError } from '../index.js'
import { createActivities } from './activities.js'
import { createBookkeeping } from './bookkeeping.js'
import type { Parts, Route } from './context.js'
import { createCourier } from './courier.js'
import { createDelegations } from './delegations.js'
import { createDesk } from './desk.js'
import { createDoor } from './door.js'
import { createEventHub } from './event-hub.js'
import { answer, refusalAnswer } from './http.js'
import { createMessages } from './messages.js'
import { resolveOptions, type PlatformOptions } from './options.js'
import { Refused } from './refusal.js'
import { createActivityRoutes } from './routes-activity.js'
import { createDelegationRoutes } from './routes-delegations.js'
import { createProxyRoutes } from './routes-proxy.js'
import { createRegistryRoutes } from './routes-registry.js'
import { openStore } from './store.js'
import { startSweep } from './sweep.js'
import { createWorkspaceHttp } from './workspace-http.js'
import { createWorkspaces } from './workspaces.js'

export interface Platform {
  /** Answers any request, and never rejects. Paths start at `/registry` and `/workspaces`; all others are `not_found`. */
  fetch(request: Request): Promise<Response>
  /** Whether new workspaces are registered by an operator alone. */
  readonly isGuarded: boolean
  /**
   * Takes nothing new, lets messages that are under way end for `graceMs`, and leaves the rest to the next process that
   * opens the file. @defaultValue 0
   */
  close(options?: { readonly graceMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * A platform for workspaces that delegate to each other (docs/platform.md): registry, proxy with a queue, delegations,
 * activity, in one file. What it has accepted ends, also across kill -9, and is told once. Requests must be addressed to
 * `publicUrl`, to localhost, or to an IP address.
 * @throws {TypeError} for an option out of its range
 * @throws {DelegationError} LEDGER_BUSY where another process has the file, and those of `sqliteLedger`
 */
export function createPlatform(options: PlatformOptions): Promise<Platform> {
  return openPlatform(options, '0.0.0.0')
}

/** `host`: what is listened on; requests under other names are refused. */
export async function openPlatform(options: PlatformOptions, host: string): Promise<Platform> {
  const resolved = resolveOptions(options)
  const checkDoor = createDoor(resolved.publicUrl, host)
  const { clock } = resolved
  const store = await openStore(resolved.path)
  const workspaces = createWorkspaces(store, clock)
  const delegations = createDelegations(store, clock)
  const messages = createMessages(store, clock)
  const activities = createActivities(store, clock)
  const hub = createEventHub(clock)
  const desk = createDesk({ store, delegations, activities, hub })
  const http = createWorkspaceHttp(resolved, clock)
  const stored = { store, workspaces, delegations, messages, activities, desk, http }
  const books = createBookkeeping(stored)
  const courier = createCourier({ ...stored, books, clock, options: resolved })
  const parts: Parts = { ...stored, hub, books, courier, options: resolved }
  const find = createRouter([
    ...createRegistryRoutes(parts),
    ...createDelegationRoutes(parts),
    ...createProxyRoutes(parts),
    ...createActivityRoutes(parts),
  ])
  const stopSweep = startSweep(parts)
  const underWay = new Set<Promise<Response>>()
  let closing: Promise<void> | null = null

  async function handle(request: Request): Promise<Response> {
    try {
      if (closing !== null) throw new Refused('unavailable', 'the platform is closing', { retry_after: 5 })
      const url = new URL(request.url)
      checkDoor(request, url)
      const { route, params } = find(request.method, url.pathname)
      return await route.handle({ request, url, params })
    } catch (error) {
      if (error instanceof Refused) return refusalAnswer(error)
      resolved.onFault(error)
      const isOfFile = error instanceof DelegationError
      return answer(isOfFile ? 503 : 500, {
        error: isOfFile ? 'the platform cannot use its file now' : 'internal error',
        code: isOfFile ? 'platform_unavailable' : 'internal',
      })
    }
  }

  async function end(graceMs: number): Promise<void> {
    stopSweep()
    hub.close()
    await courier.close(graceMs)
    await Promise.all(underWay)
    http.close()
    store.close()
  }

  const close: Platform['close'] = ({ graceMs = 0 } = {}) => (closing ??= end(graceMs))
  return {
    fetch(request) {
      const answered = handle(request)
      underWay.add(answered)
      return answered.finally(() => underWay.delete(answered))
    },
    isGuarded: resolved.adminToken !== null,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

interface Found {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

/** Fixed segments come before named ones: `record` is no delegation's id. */
function createRouter(routes: readonly Route[]): (method: string, path: string) => Found {
  const table = routes.map((route) => ({ route, segments: route.path.split('/') }))
  return (method, path) => {
    const given = path.split('/')
    const matches = table.flatMap(({ route, segments }) => {
      const params = segments.length === given.length ? paramsOf(segments, given) : null
      return params === null ? [] : [{ route, params }]
    })
    if (matches.length === 0) throw new Refused('not_found', 'there is no such route')
    const found = matches.find(({ route }) => route.method === method)
    if (found !== undefined) return found
    const allow = matches.map(({ route }) => route.method).join(', ')
    throw new Refused('method_not_allowed', `${method} is not allowed here, only ${allow}`)
  }
}

function paramsOf(segments: readonly string[], given: readonly string[]): Record<string, string> | null {
  const params: Record<string, string> = {}
  for (const [at, segment] of segments.entries()) {
    const value = given[at] ?? ''
    if (!segment.startsWith(':')) {
      if (segment !== value) return null
      continue
    }
    const decoded = decodedOr(value)
    if (decoded === null || decoded === '') return null
    params[segment.slice(1)] = decoded
  }
  return params
}

function decodedOr(value: string): string | null {
  try {
    return decodeURIComponent(value)
  } catch {
    return null
  }
}
