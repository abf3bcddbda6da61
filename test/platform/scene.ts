/** Real sockets all the way: the platform on a port, workspaces as HTTP servers, callers with fetch. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import { servePlatform, type ServedPlatform, type ServePlatformOptions } from '../../src/platform/platform.js'

/** Nothing in here is expected to go wrong inside the platform. */
const faults: unknown[] = []
const ends: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  expect(faults.splice(0)).toEqual([])
})

export function atEnd(end: () => void | Promise<void>): void {
  ends.push(end)
}

export function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'platform-'))
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'platform.db')
}

export async function start(options: Partial<ServePlatformOptions> = {}): Promise<ServedPlatform> {
  const served = await servePlatform({
    path: newFile(),
    port: 0,
    allowLoopback: true,
    pollMs: 20,
    onFault: (error) => faults.push(error),
    ...options,
  })
  atEnd(() => served.close())
  return served
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
  /** The body of a list. */
  readonly rows: readonly Body[]
  /** Of the message that is the answer. */
  readonly said: string
}

/** What answers have in them; which of it, the test knows. */
export interface Body {
  readonly status: string
  readonly code: string
  readonly error: string
  readonly error_detail: string
  readonly auth_token: string
  readonly delegation_id: string
  readonly result: string
  readonly queue_id: string
  readonly attempts: number
  readonly cursor: number
  readonly n: number
  readonly url: string
  readonly id: string
  readonly method: string
  readonly problems: readonly string[]
  readonly response_body: unknown
}

export interface CallOptions {
  readonly token?: string
  readonly from?: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

export async function call(url: string, route: string, options: CallOptions = {}): Promise<Reply> {
  const [method, path] = route.split(' ') as [string, string]
  const { token, from, body, headers } = options
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(from !== undefined && { 'x-workspace-id': from }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const json: unknown = parsed(text)
  const { status, headers: sent } = response
  return { status, headers: sent, body: json as Body, rows: json as Body[], said: saidIn(json) }
}

/** The text of the first part of an answer. */
export function saidIn(json: unknown): string {
  const { result } = json as { result?: { parts?: { text: string }[] } }
  return result?.parts?.[0]?.text ?? ''
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export interface Member {
  readonly id: string
  readonly token: string
  call(route: string, options?: CallOptions): Promise<Reply>
  beat(fields?: Record<string, unknown>): Promise<Reply>
  /** A message to another workspace, through the platform. */
  send(
    to: string,
    text: string,
    message?: Record<string, unknown>,
    params?: Record<string, unknown>,
  ): Promise<Reply>
  delegate(to: string, task: string, rest?: Record<string, unknown>): Promise<string>
  /** Until it has ended, or has one of these words. */
  until(delegationId: string, ...words: string[]): Promise<Body>
}

export async function enroll(
  platform: string,
  registration: Record<string, unknown> = {},
  bearer?: string,
): Promise<Member> {
  const id = (registration['id'] as string | undefined) ?? randomUUID()
  const { body, status } = await call(platform, 'POST /registry/register', {
    body: { id, url: 'http://127.0.0.1:9', agent_card: { name: `W-${id.slice(0, 4)}` }, ...registration },
    ...(bearer !== undefined && { token: bearer }),
  })
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
  return memberOf(platform, id, body.auth_token)
}

export function memberOf(platform: string, id: string, token: string): Member {
  const own = (route: string, options: CallOptions = {}): Promise<Reply> =>
    call(platform, route.replace(':id', id), { token, ...options })
  return {
    id,
    token,
    call: own,
    beat: (fields = {}) => own('POST /registry/heartbeat', { body: { workspace_id: id, ...fields } }),
    send: (to, text, message = {}, params = {}) =>
      own(`POST /workspaces/${to}/a2a`, { from: id, body: messageBody(text, message, params) }),
    async delegate(to, task, rest = {}) {
      const { status, body } = await own('POST /workspaces/:id/delegate', {
        body: { target_id: to, task, ...rest },
      })
      if (status !== 202) throw new Error(`${status} ${JSON.stringify(body)}`)
      return body.delegation_id
    },
    until: (delegationId, ...words) =>
      eventually(async () => {
        const { body } = await own(`GET /workspaces/:id/delegations/${delegationId}`)
        return [...words, 'completed', 'failed'].includes(body.status) ? body : undefined
      }),
  }
}

export function messageBody(text: string, message = {}, params = {}): Record<string, unknown> {
  return {
    jsonrpc: '2.0',
    id: 1,
    method: 'message/send',
    params: {
      message: { role: 'user', messageId: randomUUID(), parts: [{ kind: 'text', text }], ...message },
      ...params,
    },
  }
}

/** Looks until there is something. A test that waits for ever ends by its own time. */
export async function eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export interface Seen {
  readonly messageId: string
  readonly text: string
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly params: Record<string, never>
}

export interface Workspace {
  readonly url: string
  readonly seen: Seen[]
  close(): void
}

export type Behave = (seen: Seen, response: ServerResponse, count: number) => void | Promise<void>

/** A workspace that does what it is told to with each request. */
export async function workspace(
  behave: Behave = (seen, response) => answer(response, `did ${seen.text}`),
): Promise<Workspace> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, params } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as never as {
        method: string
        params: { message?: { messageId: string; parts: { text: string }[] } }
      }
      const { messageId = '', parts = [] } = params.message ?? {}
      const one: Seen = {
        method,
        messageId,
        text: parts[0]?.text ?? '',
        headers: request.headers,
        params: params as never,
      }
      seen.push(one)
      void behave(one, response, seen.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): void => {
    server.closeAllConnections()
    server.close()
  }
  atEnd(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, seen, close }
}

export function answer(response: ServerResponse, text: string): void {
  json(response, 200, {
    jsonrpc: '2.0',
    id: 1,
    result: { kind: 'message', role: 'agent', messageId: 'r', parts: [{ kind: 'text', text }] },
  })
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export function task(state: string, text: string, id = 'task-1'): Record<string, unknown> {
  return {
    jsonrpc: '2.0',
    id: 1,
    result: {
      kind: 'task',
      id,
      contextId: `context-of-${id}`,
      status: { state },
      artifacts: text === '' ? [] : [{ artifactId: 'a', parts: [{ kind: 'text', text }] }],
    },
  }
}

/** A promise and what settles it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}
