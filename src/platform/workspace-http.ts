/**
 * One POST to a workspace. It says whether the workspace can have had it, ends within its time, bounds what comes back,
 * follows no redirect, and connects only to an address that was looked at.
 */
import { lookup } from 'node:dns'
import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net'
import type { Clock } from '../index.js'
import { isPublicAddress } from '../runner.js'

/** Which addresses beside public ones a workspace may have. */
export interface AddressRules {
  /** 127.0.0.0/8 and ::1. */
  readonly allowLoopback: boolean
  /** 10/8, 172.16/12, 192.168/16 and fc00::/7; never the link-local ones, where clouds keep their metadata. */
  readonly allowPrivate: boolean
}

export type PostOutcome =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly retryAfterMs: number | null
      readonly body: string
    }
  /** There was no connection: nobody has had it. */
  | { readonly kind: 'unsent'; readonly error: string }
  /** Nobody knows whether it was had. */
  | { readonly kind: 'lost'; readonly error: string }

export interface WorkspacePost {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Infinity: none. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface WorkspaceHttp {
  post(post: WorkspacePost): Promise<PostOutcome>
  close(): void
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')
const ownNetwork = new BlockList()
ownNetwork.addSubnet('10.0.0.0', 8, 'ipv4')
ownNetwork.addSubnet('172.16.0.0', 12, 'ipv4')
ownNetwork.addSubnet('192.168.0.0', 16, 'ipv4')
ownNetwork.addSubnet('fc00::', 7, 'ipv6')

const maxAnswerBytes = 10 * 1024 * 1024
const connectMs = 30_000
const longestRetryAfterMs = 3_600_000

export function isAllowedAddress(address: string, rules: AddressRules): boolean {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6'
  if (isPublicAddress(address)) return true
  if (loopback.check(address, family)) return rules.allowLoopback
  return ownNetwork.check(address, family) && rules.allowPrivate
}

/** Null, or why a workspace cannot live there. Names are looked at again whenever they are connected to. */
export function urlProblem(given: string, rules: AddressRules): string | null {
  if (!URL.canParse(given)) return 'it cannot be read'
  const { protocol, username, password, hostname } = new URL(given)
  if (protocol !== 'http:' && protocol !== 'https:') return `${protocol} is neither http nor https`
  if (username !== '' || password !== '') return 'it has a user in it'
  const address = hostname.replace(/^\[|\]$/g, '')
  if (isIP(address) !== 0 && !isAllowedAddress(address, rules)) return `${address} is not a public address`
  return null
}

export function createWorkspaceHttp(rules: AddressRules, clock: Clock): WorkspaceHttp {
  // Each message has a connection of its own: one that is kept alive may take the bytes and be gone.
  const agents = { 'http:': new HttpAgent(), 'https:': new HttpsAgent() }
  const guardedLookup = createGuardedLookup(rules)

  function request({ url, headers, body }: WorkspacePost): ClientRequest {
    const isPlain = new URL(url).protocol === 'http:'
    return (isPlain ? httpRequest : httpsRequest)(url, {
      method: 'POST',
      agent: agents[isPlain ? 'http:' : 'https:'],
      lookup: guardedLookup,
      headers: {
        ...headers,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'accept-encoding': 'identity',
      },
    })
  }

  return {
    post(post) {
      const problem = urlProblem(post.url, rules)
      return problem === null
        ? outcomeOf(request(post), post, clock)
        : Promise.resolve({ kind: 'unsent', error: `the workspace's URL: ${problem}` })
    },
    close() {
      agents['http:'].destroy()
      agents['https:'].destroy()
    },
  }
}

function createGuardedLookup(rules: AddressRules): LookupFunction {
  return (name, options, done) => {
    lookup(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, [])
      const [first] = addresses
      // One among others is enough: which of them is used is up to chance.
      if (first === undefined || !addresses.every(({ address }) => isAllowedAddress(address, rules)))
        return done(new Error(`${name} is not a public address`), [])
      if (options.all === true) done(null, addresses)
      else done(null, first.address, first.family)
    })
  }
}

/** Resolves once, whatever happens. */
function outcomeOf(request: ClientRequest, post: WorkspacePost, clock: Clock): Promise<PostOutcome> {
  const { body, timeoutMs, signal } = post
  return new Promise((resolve) => {
    let isConnected = false
    const stops: (() => void)[] = []
    const end = (outcome: PostOutcome): void => {
      for (const stop of stops) stop()
      signal.removeEventListener('abort', abort)
      resolve(outcome)
    }
    const fail = (error: string): void => end({ kind: isConnected ? 'lost' : 'unsent', error })
    const stop = (why: string): void => {
      fail(why)
      request.destroy()
    }
    const abort = (): void => stop('the platform was closed')
    const stopConnecting = clock.after(connectMs, () => stop(`no connection within ${connectMs / 1000} s`))
    stops.push(stopConnecting)
    if (Number.isFinite(timeoutMs))
      stops.push(clock.after(timeoutMs, () => stop(`no answer within ${Math.round(timeoutMs / 1000)} s`)))
    signal.addEventListener('abort', abort)
    request.on('error', (error) => fail(described(error)))
    request.on('socket', (socket) =>
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
        isConnected = true
        stopConnecting()
      }),
    )
    request.on('response', (response) => readResponse(response, end, fail, stop))
    if (signal.aborted) abort()
    else request.end(body)
  })
}

function readResponse(
  response: IncomingMessage,
  end: (outcome: PostOutcome) => void,
  fail: (error: string) => void,
  stop: (error: string) => void,
): void {
  const chunks: Buffer[] = []
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength
    chunks.push(chunk)
    if (bytes > maxAnswerBytes) stop(`the answer is longer than ${maxAnswerBytes} bytes`)
  })
  // What it says is that the connection was closed, which the next event says as well.
  response.on('error', () => undefined)
  response.on('close', () => {
    if (!response.complete) return fail('the connection was closed in mid-answer')
    end({
      kind: 'answered',
      status: response.statusCode ?? 0,
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
      body: Buffer.concat(chunks).toString('utf8'),
    })
  })
}

function retryAfterMs(header: string | undefined): number | null {
  if (header === undefined || !/^\d{1,9}$/.test(header.trim())) return null
  return Math.min(Number(header) * 1000, longestRetryAfterMs)
}

/** Never an empty text (M60). */
function described(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  return error.message === '' ? (code ?? error.name) : error.message
}
