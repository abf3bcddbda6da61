import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Role, TaskState, type Message, type Part, type SendMessageRequest, type Task } from '@a2a-js/sdk'
import {
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
  type Client,
} from '@a2a-js/sdk/client'
import { start, until, type Ended, type Running } from '../../e2e/cli-process.js'

export const tokens = { alice: 'alice-token-0123456789', bob: 'bob-token-0123456789ab' } as const
export type Name = keyof typeof tokens

const fixture = fileURLToPath(new URL('../../fixtures/a2a/served.js', import.meta.url))

export interface Serving {
  readonly folder: string
  url: string
  readonly running: Running
  client(name?: Name, transport?: 'JSONRPC' | 'HTTP+JSON'): Promise<Client>
  /** JSON-RPC by hand. */
  rpc(method: string, params: unknown, options?: RpcOptions): Promise<Rpc>
  kill(): Promise<void>
  /** The same server again, on its ledger, at its address. */
  restart(): Promise<void>
  stop(): Promise<Ended>
  command(...args: string[]): Promise<Ended>
  [Symbol.asyncDispose](): Promise<void>
}

interface RpcOptions {
  readonly token?: string
  readonly version?: string
}

/** A task, as far as tests look at it. */
interface WireTask {
  readonly id: string
  readonly status: { readonly state: string; readonly message?: object }
  readonly artifacts: readonly { readonly parts: readonly { readonly text?: string }[] }[]
  readonly metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** Of 1.0 a result has the task below it, of 0.3 it is the task. */
export interface WireAnswer {
  readonly result: WireTask & { readonly task: WireTask }
  readonly error?: { readonly code: number; readonly message: string }
}

export interface Rpc {
  readonly status: number
  readonly body: WireAnswer
}

interface Settings {
  readonly serve?: Readonly<Record<string, unknown>>
  readonly delegation?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Other sections. */
  readonly config?: Readonly<Record<string, unknown>>
}

/** The command, with a runner that does what it is told; alice and bob may call. */
export async function serving({
  serve = {},
  delegation = {},
  env: more = {},
  config: sections = {},
}: Settings = {}): Promise<Serving> {
  const folder = mkdtempSync(join(tmpdir(), 'hermes-a2a-'))
  const config = {
    delegation: { max_async_children: 20, max_threads: 6, interrupt_grace_ms: 2_000, ...delegation },
    runners: { served: { module: fixture } },
    serve: {
      skills: [{ id: 'do', name: 'Do', description: 'Does what it is told.' }],
      callers: {
        alice: { token_env: 'ALICE', runner: 'served', push_secret_env: 'SECRET' },
        bob: { token_env: 'BOB', runner: 'served' },
      },
      ...serve,
    },
    ...sections,
  }
  // JSON is YAML.
  writeFileSync(join(folder, 'hermes-delegate.yaml'), JSON.stringify(config))
  const env = { ALICE: tokens.alice, BOB: tokens.bob, SECRET: 'a-secret-of-alice', ...more }
  const begin = async (port: string): Promise<[Running, string]> => {
    const running = start(['serve', '--port', port], { cwd: folder, env })
    let hasEnded = false
    void running.ended.then(() => (hasEnded = true))
    await until(() => hasEnded || /serving A2A at (\S+)\n/.test(running.printed()))
    const [, url] = /serving A2A at (\S+)\n/.exec(running.printed()) ?? []
    if (url === undefined) throw new Error(`it does not serve: ${(await running.ended).stderr}`)
    return [running, url]
  }
  let [running, url] = await begin('0')
  const made: Serving = {
    folder,
    url,
    get running() {
      return running
    },
    client: (name = 'alice', transport = 'JSONRPC') => clientOf(made.url, tokens[name], transport),
    async rpc(method, params, { token = tokens.alice, version = '1.0' } = {}) {
      const response = await fetch(`${made.url}/a2a`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${token}`,
          ...(version !== '' && { 'a2a-version': version }),
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }),
      })
      return { status: response.status, body: JSON.parse(await response.text()) as WireAnswer }
    },
    async kill() {
      running.process.kill('SIGKILL')
      await running.ended
    },
    async restart() {
      ;[running, url] = await begin(new URL(made.url).port)
      made.url = url
    },
    async stop() {
      running.process.kill('SIGTERM')
      return running.ended
    },
    command: (...args) => start(args, { cwd: folder, env }).ended,
    async [Symbol.asyncDispose]() {
      running.process.kill('SIGKILL')
      await running.ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return made
}

function clientOf(url: string, token: string, transport: 'JSONRPC' | 'HTTP+JSON'): Promise<Client> {
  const authorized: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('authorization', `Bearer ${token}`)
    return fetch(input, { ...init, headers })
  }
  const options = { fetchImpl: authorized }
  return new ClientFactory({
    /* eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- the SDK's options are classes that it never makes */
    transports: [new JsonRpcTransportFactory(options), new RestTransportFactory(options)],
    preferredTransports: [transport],
    cardResolver: new DefaultAgentCardResolver(options),
  }).createFromUrl(url)
}

const none = { metadata: undefined, filename: '', mediaType: '' }
export const text = (value: string): Part => ({ ...none, content: { $case: 'text', value } })
export const data = (value: unknown): Part => ({ ...none, content: { $case: 'data', value } })

let messages = 0
export function messageOf(parts: string | Part[], more: Partial<Message> = {}): Message {
  return {
    messageId: `message-${process.pid}-${(messages += 1)}`,
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts: typeof parts === 'string' ? [text(parts)] : parts,
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
    ...more,
  }
}

export function sendOf(
  message: Message,
  configuration: Partial<NonNullable<SendMessageRequest['configuration']>> = {},
): SendMessageRequest {
  return {
    tenant: '',
    message,
    metadata: undefined,
    configuration: {
      acceptedOutputModes: [],
      taskPushNotificationConfig: undefined,
      returnImmediately: false,
      ...configuration,
    },
  }
}

export async function sent(client: Client, ...args: Parameters<typeof sendOf>): Promise<Task> {
  const result = await client.sendMessage(sendOf(...args))
  if ('messageId' in result) throw new Error('a message, where a task was expected')
  return result
}

export const nameOf = (state: TaskState | undefined): string => TaskState[state ?? -1] ?? 'none'

export const stateOf = (task: Task): string => nameOf(task.status?.state)

export const textsOf = (task: Task): string[] =>
  task.artifacts.flatMap(({ parts }) =>
    parts.flatMap(({ content }) => (content?.$case === 'text' ? [content.value] : [])),
  )

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly status: number
}

/** A receiver of pushes that answers with what `statusOf` says of the n-th, from 1. */
export async function receiver(statusOf: (n: number) => number = () => 200) {
  const received: Received[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      const status = statusOf(received.length + 1)
      received.push({ headers: request.headers, body, status })
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    host: `127.0.0.1:${port}`,
    received,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
