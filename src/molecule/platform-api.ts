/** The platform's HTTP API, as far as a workspace uses it (P7-P22). Every call carries the bearer of who calls. */
import { isJsonObject, type Json, type JsonObject } from '../runner.js'
import { isHttpUrl, type Settings } from './settings.js'
import type { HttpCall, HttpCaller, HttpOutcome } from './http-call.js'
import { failed, readReply, textIn, type PeerReply } from './peer-reply.js'

/** Of mirrors, lists, discovery and `delegate`. */
const callMs = 10_000
const quotedCharacters = 200

export type Discovery =
  | { readonly kind: 'found'; readonly url: string; readonly name: string | null }
  | Extract<PeerReply, { kind: 'failed' }>

/** How a delegation stands that the platform keeps. */
export type Standing =
  /** `status` is the platform's word, `unknown` for one that it does not list, or a failed look. */
  | { readonly kind: 'live'; readonly status: string }
  /** `isPreview`: the platform has cut it. */
  | { readonly kind: 'completed'; readonly text: string; readonly isPreview: boolean }
  | { readonly kind: 'failed'; readonly error: string }

/** What is asked for: the queue's row is where a drained answer stands in full. */
export interface Sought {
  readonly source: string
  readonly target: string
  readonly delegationId: string
  readonly queueId: string | null
}

export interface Platform {
  discover(source: string, target: string, signal?: AbortSignal): Promise<Discovery>
  /** Resolves to the platform's id, or to why there is none. A repeated key is answered as the first call was. */
  delegate(
    source: string,
    target: string,
    task: string,
    key: string,
  ): Promise<{ id: string } | { error: string }>
  standing(sought: Sought, signal?: AbortSignal): Promise<Standing>
  /** Newest first. Null: it cannot be had now. */
  delegations(source: string): Promise<readonly JsonObject[] | null>
  /** @throws {Error} */
  peers(source: string): Promise<readonly JsonObject[]>
  /** @throws {Error} */
  workspace(id: string): Promise<JsonObject>
  post(
    source: string,
    path: string,
    body: JsonObject,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<HttpOutcome>
  /** Where the platform passes on messages to a workspace. */
  proxyUrl(target: string): string
  /** For a peer's own address only the name of the caller: a bearer belongs to the platform alone. */
  headersFor(source: string, url: string): Readonly<Record<string, string>>
}

interface PlatformOptions {
  readonly settings: Settings
  readonly call: HttpCaller
  /** The bearer of a workspace; null where it has none. */
  readonly tokenOf: (source: string) => string | null
}

export function createPlatform({ settings: { platformUrl }, call, tokenOf }: PlatformOptions): Platform {
  const origin = new URL(platformUrl).origin
  const at = (id: string): string => `${platformUrl}/workspaces/${encodeURIComponent(id)}`
  /** False once a list has had what the route of a single row had not: then the platform has no such route. */
  let hasSingleRows = true

  function headersFor(source: string, url: string): Record<string, string> {
    const token = new URL(url).origin === origin ? tokenOf(source) : null
    return { 'x-workspace-id': source, ...(token !== null && { authorization: `Bearer ${token}` }) }
  }

  const ask = (source: string, url: string, rest: Partial<HttpCall> = {}): Promise<HttpOutcome> =>
    call({ method: 'GET', url, headers: headersFor(source, url), timeoutMs: callMs, ...rest })

  async function jsonAt(source: string, url: string, signal?: AbortSignal): Promise<Json | undefined> {
    const outcome = await ask(source, url, { signal })
    return outcome.kind === 'answer' && outcome.status === 200 ? outcome.json : undefined
  }

  async function rowsOf(source: string, signal?: AbortSignal): Promise<readonly JsonObject[] | null> {
    const list = await jsonAt(source, `${at(source)}/delegations`, signal)
    return Array.isArray(list) ? (list as readonly Json[]).filter(isJsonObject) : null
  }

  /** The row itself says it in full, and however old it is; else the list, of which there are 50 at most. */
  async function rowStanding(sought: Sought, signal?: AbortSignal): Promise<Standing> {
    const { source, delegationId } = sought
    const single = hasSingleRows
      ? await jsonAt(source, `${at(source)}/delegations/${encodeURIComponent(delegationId)}`, signal)
      : undefined
    if (isJsonObject(single)) return standingIn([{ delegation_id: delegationId, ...single }], sought)
    const rows = await rowsOf(source, signal)
    if (rows?.some((row) => row['delegation_id'] === delegationId) === true) hasSingleRows = false
    return standingIn(rows ?? [], sought)
  }

  /** P22. A drained answer stands here also where the list does not know the delegation. */
  async function queueStanding(
    { source, queueId, target }: Sought,
    signal?: AbortSignal,
  ): Promise<Standing | null> {
    if (queueId === null) return null
    const row = await jsonAt(source, `${at(target)}/a2a/queue/${encodeURIComponent(queueId)}`, signal)
    if (!isJsonObject(row)) return null
    const status = row['status']
    if (status === 'failed' || status === 'dropped')
      return { kind: 'failed', error: textIn(row, 'last_error') ?? `the platform's queue has ${status} it` }
    const body = row['response_body']
    if (status !== 'completed' || body === undefined || body === null) return null
    const json = typeof body === 'string' ? parsed(body) : body
    const reply = readReply({ kind: 'answer', status: 200, retryAfter: null, json, text: shown(body) })
    if (reply.kind === 'done') return { kind: 'completed', text: reply.text, isPreview: false }
    return reply.kind === 'failed' ? { kind: 'failed', error: reply.error } : null
  }

  return {
    headersFor,
    proxyUrl: (target) => `${at(target)}/a2a`,
    delegations: rowsOf,
    async discover(source, target, signal) {
      const url = `${platformUrl}/registry/discover/${encodeURIComponent(target)}`
      const outcome = await ask(source, url, { signal })
      return discovered(outcome)
    },
    async delegate(source, target, task, key) {
      const outcome = await ask(source, `${at(source)}/delegate`, {
        method: 'POST',
        body: { target_id: target, task, idempotency_key: key },
      })
      if (outcome.kind !== 'answer') return { error: `delegate dispatch failed: ${outcome.error}` }
      const { status, json, text } = outcome
      // 200: the platform has had this key already, and says what became of it.
      if (status !== 200 && status !== 202)
        return { error: `delegation failed with status ${status}: ${text.slice(0, quotedCharacters)}` }
      if (!isJsonObject(json)) return { error: 'delegate dispatch returned non-JSON' }
      const id = textIn(json, 'delegation_id')
      return id === null ? { error: 'delegate dispatch missing delegation_id' } : { id }
    },
    async standing(sought, signal) {
      const row = await rowStanding(sought, signal)
      if (row.kind === 'failed' || (row.kind === 'completed' && !row.isPreview)) return row
      const queue = await queueStanding(sought, signal)
      return row.kind === 'completed' && queue?.kind !== 'completed' ? row : (queue ?? row)
    },
    async peers(source) {
      const outcome = await ask(source, `${platformUrl}/registry/${encodeURIComponent(source)}/peers`)
      const json = required(outcome, 'the list of peers')
      if (!Array.isArray(json)) throw new Error('the platform sent something else than a list of peers')
      return (json as readonly Json[]).filter(isJsonObject)
    },
    async workspace(id) {
      const json = required(await ask(id, at(id)), `workspace ${id}`)
      if (!isJsonObject(json)) throw new Error(`the platform sent something else than workspace ${id}`)
      return json
    },
    post: (source, path, body, timeoutMs, signal) =>
      ask(source, `${platformUrl}${path}`, { method: 'POST', body, timeoutMs, signal }),
  }
}

/** M16-M18, M52. */
function discovered(outcome: HttpOutcome): Discovery {
  if (outcome.kind !== 'answer') return failed('discovery_error', `Discovery error: ${outcome.error}`)
  const { status, json } = outcome
  if (status !== 200) return failed('discovery_error', `Discovery failed: HTTP ${status}`)
  if (!isJsonObject(json)) return failed('discovery_error', 'Discovery error: the answer is no JSON object')
  if (textIn(json, 'status')?.toLowerCase() === 'offline') return failed('offline', 'workspace is offline')
  const url = textIn(json, 'url')
  if (url === null) return failed('no_url', 'No URL for workspace')
  if (!isHttpUrl(url)) return failed('discovery_error', 'Discovery error: the URL is none of http or https')
  return { kind: 'found', url, name: textIn(json, 'name') }
}

/** M43-M45, M73: of our rows, the newest that has ended; rows of another workspace's are never ours (M78). */
function standingIn(rows: readonly JsonObject[], { source, delegationId }: Sought): Standing {
  const own = rows.filter((row) => {
    const from = textIn(row, 'source_id')
    // Ids are UUIDs: their capitals mean nothing.
    return row['delegation_id'] === delegationId && (from ?? source).toLowerCase() === source.toLowerCase()
  })
  const wordOf = (row: JsonObject): string => textIn(row, 'status')?.toLowerCase() ?? 'unknown'
  const ended = own.find((row) => ['completed', 'failed'].includes(wordOf(row)))
  if (ended === undefined) return { kind: 'live', status: own[0] === undefined ? 'unknown' : wordOf(own[0]) }
  if (wordOf(ended) === 'failed') {
    const error = textIn(ended, 'error_detail') ?? textIn(ended, 'error') ?? textIn(ended, 'summary')
    return { kind: 'failed', error: error ?? 'delegation failed' }
  }
  const body = ended['response_body']
  const full = textIn(ended, 'result') ?? (isJsonObject(body) ? textIn(body, 'text') : null)
  if (full !== null) return { kind: 'completed', text: full, isPreview: false }
  const preview = textIn(ended, 'response_preview') ?? ''
  return { kind: 'completed', text: preview, isPreview: preview.endsWith('...') }
}

function required(outcome: HttpOutcome, what: string): Json | undefined {
  if (outcome.kind !== 'answer') throw new Error(`${what} cannot be had: ${outcome.error}`)
  if (outcome.status !== 200) throw new Error(`${what} cannot be had: HTTP ${outcome.status}`)
  return outcome.json
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

function shown(body: Json): string {
  return typeof body === 'string' ? body : JSON.stringify(body)
}
