/** What all routes share: the parts of the platform, and who is calling. */
import type { Activities } from './activities.js'
import type { Bookkeeping } from './bookkeeping.js'
import type { Courier } from './courier.js'
import type { Delegations } from './delegations.js'
import type { Desk } from './desk.js'
import type { EventHub } from './event-hub.js'
import type { Messages } from './messages.js'
import type { ResolvedOptions } from './options.js'
import { Refused } from './refusal.js'
import type { Store } from './store.js'
import type { WorkspaceHttp } from './workspace-http.js'
import { isSameToken, tokenHash, type WorkspaceRow, type Workspaces } from './workspaces.js'

export interface Parts {
  readonly store: Store
  readonly workspaces: Workspaces
  readonly delegations: Delegations
  readonly messages: Messages
  readonly activities: Activities
  readonly hub: EventHub
  readonly desk: Desk
  readonly books: Bookkeeping
  readonly http: WorkspaceHttp
  readonly courier: Courier
  readonly options: ResolvedOptions
}

export type Caller = 'admin' | WorkspaceRow

export interface Call {
  readonly request: Request
  readonly url: URL
  /** Of the path, by their names in the route. */
  readonly params: Readonly<Record<string, string>>
}

export type Handle = (call: Call) => Response | Promise<Response>

export interface Route {
  readonly method: 'GET' | 'POST'
  /** `:name` stands for any one segment. */
  readonly path: string
  readonly handle: Handle
}

export interface Gate {
  /** Whoever the bearer belongs to. `who` stands in the sentence of a refusal. @throws {Refused} missing_token, invalid_token */
  caller(request: Request, who?: string): Caller
  /** Null without a bearer. @throws {Refused} invalid_token */
  callerIfAny(request: Request, who?: string): Caller | null
  /** The workspace of the path, called by itself or by the operator (P2). @throws {Refused} */
  own(call: Call): WorkspaceRow
}

const mostTokenCharacters = 256

export function createGate({ workspaces, options }: Pick<Parts, 'workspaces' | 'options'>): Gate {
  const adminHash = options.adminToken === null ? null : tokenHash(options.adminToken)

  function callerIfAny(request: Request, who = 'workspace'): Caller | null {
    const header = request.headers.get('authorization')
    if (header === null) return null
    const [, token = ''] = /^Bearer +([\x21-\x7e]+)$/i.exec(header.trim()) ?? []
    if (token !== '' && token.length <= mostTokenCharacters) {
      if (adminHash !== null && isSameToken(token, adminHash)) return 'admin'
      const row = workspaces.ofToken(token)
      if (row !== undefined) return row
    }
    throw new Refused('invalid_token', `invalid ${who} auth token`)
  }

  function caller(request: Request, who = 'workspace'): Caller {
    const found = callerIfAny(request, who)
    if (found === null) throw new Refused('missing_token', `missing ${who} auth token`)
    return found
  }

  return {
    caller,
    callerIfAny,
    own({ request, params }) {
      const id = (params['id'] ?? '').toLowerCase()
      const who = caller(request)
      const row = who === 'admin' ? workspaces.get(id) : who
      if (row === undefined) throw new Refused('not_found', 'workspace not found')
      // The bearer of another workspace says nothing about whether this one is there.
      if (row.id !== id) throw new Refused('invalid_token', 'invalid workspace auth token')
      return row
    },
  }
}

/** Where a workspace is reached through the platform: an answer of it can be queued only on this way. */
export function proxyUrl({ publicUrl }: ResolvedOptions, requestUrl: URL, id: string): string {
  return `${publicUrl ?? requestUrl.origin}/workspaces/${id}/a2a`
}
