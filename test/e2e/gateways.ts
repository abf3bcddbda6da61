/** Two gateways of examples/two-gateways, each a process of its own, and what may stand between them. */
import { fork } from 'node:child_process'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { AsyncDelegationEvent, DelegationRecord, Dispatched, SingleEvent } from '../../src/index.js'
import type { PeerRunnerOptions } from '../../src/a2a/peer-runner.js'
import { root } from '../support/sources.js'
import { until } from './cli-process.js'

const tokens = { TOKEN: 'token-of-the-gateways', PEER_TOKEN: 'token-of-the-gateways' }

type Said =
  | { readonly address: string }
  | { readonly turn: AsyncDelegationEvent }
  | { readonly n: number; readonly answer?: unknown; readonly error?: string }

export interface GatewayOptions {
  readonly name: string
  readonly ledger: string
  readonly maxUnits?: number
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
}

export type JoinOptions = Partial<PeerRunnerOptions> & {
  /** The address of the other one. */
  readonly peer: string
  /** Where the other one finds it. @defaultValue its address */
  readonly url?: string
}

export interface Gateway {
  readonly address: string
  /** All that its host was given, in its order. */
  readonly turns: readonly AsyncDelegationEvent[]
  join(options: JoinOptions): Promise<void>
  /** A method of its delegator. */
  call<T>(method: string, ...given: unknown[]): Promise<T>
  /** At the peer; the id. */
  delegate(goal: string): Promise<string>
  /** The end, as its host was told it. */
  end(id: string): Promise<SingleEvent>
  /** The units that a message of the other one began. */
  unitsOf(messageId: string): Promise<readonly DelegationRecord[]>
  kill(): Promise<void>
  close(): Promise<void>
}

export async function startGateway({ env = {}, maxUnits = 8, ...rest }: GatewayOptions): Promise<Gateway> {
  const program = join(root, 'examples/two-gateways/gateway.js')
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:NODE_|VITEST|OTEL_)/.test(name))
  const child = fork(program, [JSON.stringify({ maxUnits, ...rest })], {
    env: { ...Object.fromEntries(inherited), ...tokens, ...env },
    execArgv: [],
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const turns: AsyncDelegationEvent[] = []
  const waiting = new Map<number, (said: { answer?: unknown; error?: string }) => void>()
  let address = ''
  child.on('message', (said: Said) => {
    if ('address' in said) address = said.address
    else if ('turn' in said) turns.push(said.turn)
    else waiting.get(said.n)?.(said)
  })
  await until(() => address !== '')
  let calls = 0
  async function call<T>(method: string, ...given: unknown[]): Promise<T> {
    const n = (calls += 1)
    const { answer, error } = await new Promise<{ answer?: unknown; error?: string }>((resolve) => {
      waiting.set(n, resolve)
      child.send({ n, call: method, given })
    })
    if (error !== undefined) throw new Error(error)
    return answer as T
  }
  return {
    address,
    turns,
    call,
    join: (options) => call('join', options),
    async delegate(goal) {
      const { delegationId } = await call<Dispatched>('dispatch', {
        goal,
        runner: 'peer',
        sessionKey: 'chat',
      })
      return delegationId
    },
    async end(id) {
      const found = (): AsyncDelegationEvent | undefined =>
        turns.find((turn) => turn.delegation_id === id && turn['question'] === undefined)
      await until(() => found() !== undefined)
      return found() as SingleEvent
    },
    async unitsOf(messageId) {
      const units = await call<readonly DelegationRecord[]>('list', { limit: 1_000 })
      return units.filter(({ metadata }) => {
        const { message_id } = (metadata?.['a2a'] ?? {}) as { readonly message_id?: string }
        return message_id === messageId
      })
    },
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
    async close() {
      await call('close')
      await gone
    },
  }
}

export interface Passing {
  /** The method of JSON-RPC; `card` for anything that is none. */
  readonly rpc: string
  readonly messageId: string | null
  readonly headers: IncomingMessage['headers']
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

interface Exchange extends Passing {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Lets the other side have it, and returns what that said, whole. */
  forward(): Promise<Answer>
}

/** What is done to a request; false: nothing, it passes. */
export type Fault = (exchange: Exchange) => boolean | Promise<boolean>

export interface Wire {
  readonly url: string
  readonly seen: readonly Passing[]
  /** Where it leads. */
  target: string
  fault: Fault
  count(rpc: string): number
  close(): Promise<void>
}

/** A proxy that does to requests and answers whatever it is told. */
export async function startWire(): Promise<Wire> {
  const seen: Passing[] = []
  const server = createServer((request, response) => {
    pass(request, response).catch(() => response.destroy())
  })

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const passing = { ...namesIn(body.toString()), headers: request.headers }
    seen.push(passing)
    const open = (): Promise<IncomingMessage> => sendOn(wire.target, request, body)
    const forward = async (): Promise<Answer> => {
      const answer = await open()
      const parts: Buffer[] = []
      for await (const part of answer) parts.push(part as Buffer)
      return {
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        body: Buffer.concat(parts).toString(),
      }
    }
    if (await wire.fault({ ...passing, request, response, forward })) return
    const answer = await open()
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', () => response.destroy()).pipe(response)
    response.once('close', () => answer.destroy())
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const wire: Wire = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    target: '',
    fault: () => false,
    count: (rpc) => seen.filter((each) => each.rpc === rpc).length,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return wire
}

function sendOn(target: string, { method, url, headers }: IncomingMessage, body: Buffer) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const to = httpRequest(`${target}${url}`, { method, headers: { ...headers, connection: 'close' } })
    to.once('response', resolve).once('error', reject).end(body)
  })
}

function namesIn(body: string): Pick<Passing, 'rpc' | 'messageId'> {
  if (body === '') return { rpc: 'card', messageId: null }
  const { method, params } = JSON.parse(body) as {
    readonly method: string
    readonly params?: { readonly message?: { readonly messageId?: string } }
  }
  return { rpc: method, messageId: params?.message?.messageId ?? null }
}
