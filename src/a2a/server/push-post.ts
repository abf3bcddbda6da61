/**
 * One notification to a receiver that a remote caller has named. The connection goes to an address that was looked at, so
 * that a name that changes its mind between look-up and connection reaches nothing private; redirects are not followed.
 */
import { createHmac } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { isPublicAddress } from '../../runner.js'

/** All addresses of a name. */
export type ResolveName = (name: string) => Promise<readonly string[]>

export interface ReceiverGuard {
  /** Hosts (`intranet`, `127.0.0.1:8080`) whose addresses may be private. */
  readonly allowPrivateHosts: readonly string[]
  /** @defaultValue the system's */
  readonly resolve?: ResolveName
}

export interface PushPost {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
}

const systemResolve: ResolveName = async (name) =>
  (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address)

const urlCharacters = 2_000

/** The receiver's address. @throws {Error} saying why nothing is sent there */
export async function receiverAddress(given: string, guard: ReceiverGuard): Promise<string> {
  if (given.length > urlCharacters || !URL.canParse(given)) throw new Error('the URL cannot be read')
  const { protocol, username, password, hostname, host } = new URL(given)
  if (!/^https?:$/.test(protocol)) throw new Error(`${protocol} is neither http nor https`)
  if (username !== '' || password !== '') throw new Error('the URL has a user in it')
  const name = hostname.replace(/^\[|\]$/g, '')
  const { resolve = systemResolve, allowPrivateHosts } = guard
  const addresses = isIP(name) === 0 ? await resolve(name).catch(() => []) : [name]
  const [first] = addresses
  // One sentence for both: which names a private network has is nobody's to find out.
  const refused = new Error(`${name} has no public address that can be reached`)
  if (first === undefined) throw refused
  if (allowPrivateHosts.includes(host) || allowPrivateHosts.includes(name)) return first
  // One private address among public ones is enough: which of them is used is up to chance.
  if (!addresses.every(isPublicAddress)) throw refused
  return first
}

/** Resolves once the receiver took it (2xx). @throws {Error} saying why it did not */
export async function postPush(post: PushPost, guard: ReceiverGuard): Promise<void> {
  const { url, headers, body, timeoutMs } = post
  const signal = AbortSignal.timeout(timeoutMs)
  const address = await beforeAbort(receiverAddress(url, guard), signal)
  const status = await new Promise<number>((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    const family = isIP(address)
    const request = send(url, {
      method: 'POST',
      agent: false,
      signal,
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      lookup: (_name, { all }, done) =>
        all === true ? done(null, [{ address, family }]) : done(null, address, family),
    })
    request.on('error', reject)
    request.on('response', (response) => {
      // What it says beside the status is of no interest, however long it is.
      response.on('error', () => undefined).destroy()
      resolve(response.statusCode ?? 0)
    })
    request.end(body)
  })
  if (status < 200 || status > 299) throw new Error(`it answered ${status}`)
}

/** `t=<Unix seconds>,v1=<HMAC-SHA-256 of "<t>.<body>", hex>`: the receiver refuses what is old, and what does not fit. */
export function signature(secret: string, atSeconds: number, body: string): string {
  const at = Math.floor(atSeconds)
  return `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`
}

function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    work.then(resolve, reject)
  })
}
