/** A platform and its peers on one real socket: what each route answers is the test's to say. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMolecule, type Molecule, type MoleculeOptions } from '../../src/molecule/molecule.js'

export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: SentBody
}

/** As far as a test looks into it. */
export interface SentBody {
  readonly status?: string
  readonly summary?: string
  readonly message?: string
  readonly method?: string
  readonly idempotency_key?: string
  readonly params: {
    readonly message: { readonly messageId: string; readonly parts: readonly { readonly text: string }[] }
  }
  readonly [key: string]: unknown
}

export type Route = (seen: Seen, response: ServerResponse, nth: number) => unknown

export interface SmallPlatform {
  readonly url: string
  /** All requests, in order; `to` those whose `METHOD path` begins so. */
  readonly seen: readonly Seen[]
  to(route: string): readonly Seen[]
  /** Resolves once that many have come. */
  came(route: string, count?: number): Promise<readonly Seen[]>
  /** A value is sent as JSON with status 200. */
  on(route: string, answer: Route | object): void
  close(): Promise<void>
}

export const own = '11111111-1111-4111-8111-111111111111'
export const peer = '22222222-2222-4222-8222-222222222222'

export async function startPlatform(): Promise<SmallPlatform> {
  const seen: Seen[] = []
  const routes = new Map<string, Route | object>()
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      const one: Seen = { method, path, headers, body: JSON.parse(text || '{}') as SentBody }
      seen.push(one)
      for (const look of waiting) look()
      const key = `${method} ${path}`
      const route = [...routes.keys()].reverse().find((known) => key.startsWith(known))
      const answer = route === undefined ? undefined : routes.get(route)
      if (answer === undefined) response.writeHead(404).end('{}')
      else if (typeof answer === 'function')
        (answer as Route)(
          one,
          response,
          seen.filter((s) => `${s.method} ${s.path}`.startsWith(route!)).length,
        )
      else sendJson(response, 200, answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const to = (route: string) => seen.filter(({ method, path }) => `${method} ${path}`.startsWith(route))
  const platform: SmallPlatform = {
    url,
    seen,
    to,
    came: (route, count = 1) =>
      new Promise((resolve) => {
        const look = () => {
          if (to(route).length < count) return
          waiting.delete(look)
          resolve(to(route))
        }
        waiting.add(look)
        look()
      }),
    on: (route, answer) => void (routes.delete(route), routes.set(route, answer)),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  platform.on(`GET /registry/discover/${peer}`, { id: peer, url: `${url}/peer`, name: 'Researcher' })
  for (const mirror of ['delegations/record', 'notify', 'activity', 'delegations/'])
    platform.on(`POST /workspaces/${own}/${mirror}`, {})
  platform.on('POST /registry/heartbeat', { status: 'ok' })
  return platform
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

export const says = (text: string) => ({
  jsonrpc: '2.0',
  id: '1',
  result: { kind: 'message', role: 'agent', messageId: 'm', parts: [{ kind: 'text', text }] },
})

/** What a test may change of it; the platform and the peer are on loopback, and nothing waits for long. */
export function moleculeAt(url: string, options: MoleculeOptions = {}): Molecule {
  return createMolecule({
    platformUrl: url,
    workspaces: [{ id: own }],
    env: { WORKSPACE_AUTH_TOKEN: 'token-of-own' },
    retryDelaySeconds: 0.01,
    pollSeconds: 0.02,
    timeoutSeconds: 20,
    ...options,
  })
}

/** Resolves with the record once it has one of these words. */
export async function stands(molecule: Molecule, id: string, ...words: string[]) {
  for (;;) {
    const record = molecule.get(id)
    if (record !== null && words.includes(record.status)) return record
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Where nobody listens. */
export async function closedUrl(): Promise<string> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}
