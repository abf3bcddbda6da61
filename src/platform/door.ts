/**
 * Which requests come in at all. A page in a browser on this machine must not become a caller, neither by a name that its
 * owner points here (rebinding: `Host` is foreign) nor from its own place (`Origin` is foreign).
 */
import { isIP } from 'node:net'
import { Refused } from './refusal.js'

const localNames: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1'])
const anyAddress: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/**
 * `host`: what is listened on. One that stands for every address of the machine lets in any address, but no other name:
 * a name can be pointed here by a stranger, an address cannot.
 */
export function createDoor(publicUrl: string | null, host: string): (request: Request, url: URL) => void {
  const published = publicUrl === null ? null : new URL(publicUrl)
  const names = new Set([...localNames, host.toLowerCase(), ...(published ? [bare(published.hostname)] : [])])

  return (request, url) => {
    const name = bare(url.hostname)
    if (!names.has(name) && !(anyAddress.has(host) && isIP(name) !== 0))
      throw new Refused('not_authorized', `the platform is not reached as ${name}: its public URL says how`)
    const origin = request.headers.get('origin')
    if (origin !== null && origin !== url.origin && origin !== published?.origin)
      throw new Refused('not_authorized', 'requests from pages of another origin are refused')
  }
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}
