/**
 * Brings messages to workspaces. Invariants:
 *
 * C1. A message is claimed in the file before it is sent, and its row says what became of it before anyone is told.
 * C2. What a workspace has certainly not had (no connection, 503, 429) goes back into its place, as often as need be,
 *     until it expires. What it may have had is sent again only to a workspace that de-duplicates, and five times at most.
 * C3. No more of them are under way at a workspace than it takes, and none before the time it has asked for.
 */
import type { Clock } from '../index.js'
import { readAnswer, type Answer } from './answer.js'
import type { Bookkeeping } from './bookkeeping.js'
import type { Desk } from './desk.js'
import { followTask } from './follow-task.js'
import type { MessageRow, Messages } from './messages.js'
import type { ResolvedOptions } from './options.js'
import { createPace, type Pace } from './pace.js'
import type { PostOutcome, WorkspaceHttp } from './workspace-http.js'
import type { WorkspaceRow, Workspaces } from './workspaces.js'

/** What a caller who has waited is told. */
export type Reply =
  { readonly kind: 'answer'; readonly status: number; readonly body: string } | { readonly kind: 'queued' }

export interface Courier {
  /** Sends what waits for a workspace, as far as it has room. */
  pump(target: string): void
  /** Sends it as soon as the workspace can have it; until then its delegation is `queued`. */
  accepted(row: MessageRow): void
  /** How it went, once it is known; `queued` at once for what is not under way. */
  reply(queueId: string): Promise<Reply>
  /** A sign of life. `isNew`: it has registered anew, and all that was known of it is void. */
  heard(target: string, activeTasks: number, isNew: boolean): void
  /** Of what has failed or waited too long. */
  drop(row: MessageRow, error: string): void
  /** What a process left under way that has ended; what is under way here is not touched. */
  recover(): void
  /** Lets what is under way end for `graceMs`, then leaves it to the next process. */
  close(graceMs: number): Promise<void>
}

interface CourierOptions {
  readonly workspaces: Workspaces
  readonly messages: Messages
  readonly books: Bookkeeping
  readonly desk: Desk
  readonly http: WorkspaceHttp
  readonly clock: Clock
  readonly options: ResolvedOptions
}

const mostAttempts = 5
/** Of one look at a task. */
const followMs = 30_000

export function createCourier(parts: CourierOptions): Courier {
  const { workspaces, messages, books, desk, http, clock, options } = parts
  const paces = new Map<string, Pace>()
  const waiting = new Map<string, ((reply: Reply) => void)[]>()
  const inFlight = new Map<string, Promise<void>>()
  const scope = new AbortController()
  let isClosing = false

  function paceOf(target: string): Pace {
    const known = paces.get(target) ?? createPace(clock, () => pump(target))
    paces.set(target, known)
    return known
  }

  function pump(target: string): void {
    const workspace = workspaces.get(target)
    if (isClosing || workspace?.status !== 'online') return
    const pace = paceOf(target)
    while (pace.hasRoom(workspace.max_concurrent_tasks)) {
      const row = books.claim(target)
      if (row === undefined) return
      start(row, pace)
    }
  }

  function start(row: MessageRow, pace: Pace): void {
    pace.begin()
    const run = (row.is_followed === 1 ? follow(row) : send(row))
      .catch((error: unknown) => {
        // The file could not be written: `recover` takes it up again.
        options.onFault(error)
        tellWaiting(row.queue_id, { kind: 'queued' })
      })
      .then(() => {
        inFlight.delete(row.queue_id)
        pace.end()
        pump(row.workspace_id)
      })
      .catch(options.onFault)
    inFlight.set(row.queue_id, run)
  }

  async function send(row: MessageRow): Promise<void> {
    const startedMs = clock.monotonicMs()
    const headers = JSON.parse(row.headers) as Readonly<Record<string, string>>
    const leftMs = Math.max(1, (row.expires_at - clock.now()) * 1000)
    const outcome = await post(row, row.body, headers, Math.min(timeoutOf(headers), leftMs))
    // The next process takes it from here.
    if (scope.signal.aborted) return
    const isFollowed = settle(row, outcome, clock.monotonicMs() - startedMs)
    if (isFollowed) await follow(messages.get(row.queue_id) as MessageRow)
  }

  /** True: the workspace works on it, and is to be asked. */
  function settle(row: MessageRow, outcome: PostOutcome, durationMs: number): boolean {
    if (outcome.kind === 'unsent') return requeued(row, outcome.error, true, null)
    if (outcome.kind === 'answered' && (outcome.status === 503 || outcome.status === 429))
      return requeued(row, `the workspace is busy: HTTP ${outcome.status}`, true, outcome.retryAfterMs)
    const isGateway = outcome.kind === 'answered' && (outcome.status === 502 || outcome.status === 504)
    if (outcome.kind === 'lost' || isGateway) {
      const error = outcome.kind === 'lost' ? outcome.error : `HTTP ${outcome.status}`
      const why = whyNotAgain(row)
      if (why === null) return requeued(row, error, false, null)
      fail(row, `${error} (the workspace may have had the message; ${why})`, durationMs)
      return false
    }
    paceOf(row.workspace_id).went()
    return answered(row, outcome.status, outcome.body, durationMs)
  }

  /** C2, of what a workspace may have had. */
  function whyNotAgain({ workspace_id, attempts }: MessageRow): string | null {
    if (workspaces.get(workspace_id)?.deduplicates !== 1) return 'it was not sent again'
    return attempts < mostAttempts ? null : `it was sent ${attempts} times`
  }

  function requeued(row: MessageRow, error: string, isFree: boolean, retryAfterMs: number | null): false {
    books.requeue(row, error, isFree)
    paceOf(row.workspace_id).refused(retryAfterMs)
    tellWaiting(row.queue_id, { kind: 'queued' })
    return false
  }

  function answered(row: MessageRow, status: number, body: string, durationMs: number): boolean {
    const answer = readAnswer(status, body)
    const delegation = books.delegationOf(row)
    const reply: Reply = { kind: 'answer', status, body }
    if (answer.kind === 'working' && delegation !== undefined && answer.task.taskId !== null) {
      books.follow(row, { ...answer.task, taskId: answer.task.taskId }, delegation)
      tellWaiting(row.queue_id, reply)
      return true
    }
    const isTaken = status >= 200 && status <= 299
    const task = answer.kind === 'acknowledged' ? {} : answer.task
    const error = answer.kind === 'failed' ? { error: answer.error } : {}
    books.end(
      row,
      { status: isTaken ? 'completed' : 'failed', httpStatus: status, body, ...task, ...error },
      answer,
      durationMs,
    )
    tellWaiting(row.queue_id, reply)
    return false
  }

  function fail(row: MessageRow, error: string, durationMs = 0): void {
    const body = JSON.stringify({ error, code: 'unreachable' })
    const failed: Answer = { kind: 'failed', error, task: { taskId: null, contextId: null } }
    books.end(row, { status: 'failed', httpStatus: 502, body, error }, failed, durationMs)
    tellWaiting(row.queue_id, { kind: 'answer', status: 502, body })
  }

  async function follow(row: MessageRow): Promise<void> {
    const startedMs = clock.monotonicMs()
    const followed = await followTask(row, {
      clock,
      pollMs: options.pollMs,
      signal: scope.signal,
      isLive: () => messages.get(row.queue_id)?.status === 'dispatched',
      // A workspace that has moved is asked where it is now.
      post: (body, headers) => post(row, body, headers, followMs),
    })
    if (followed.kind === 'left') return
    if (followed.kind === 'given_up') {
      fail(row, followed.error)
      return
    }
    const { answer, body } = followed
    const how = { status: 'completed', httpStatus: 200, body, ...answer.task } as const
    books.end(row, how, answer, clock.monotonicMs() - startedMs)
    tellWaiting(row.queue_id, { kind: 'answer', status: 200, body })
  }

  function post(
    row: MessageRow,
    body: string,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<PostOutcome> {
    const workspace = workspaces.get(row.workspace_id)
    if (workspace === undefined) throw new Error(`there is no workspace ${row.workspace_id}`)
    const all = headersTo(workspace, row, headers)
    return http.post({ url: workspace.url, headers: all, body, timeoutMs, signal: scope.signal })
  }

  function drop(row: MessageRow, error: string): void {
    books.drop(row, error)
    tellWaiting(row.queue_id, {
      kind: 'answer',
      status: 502,
      body: JSON.stringify({ error, code: 'unreachable' }),
    })
  }

  function recover(): void {
    for (const row of messages.dispatched()) {
      if (inFlight.has(row.queue_id)) continue
      if (row.is_followed === 1) {
        start(row, paceOf(row.workspace_id))
        continue
      }
      const error = 'the platform ended while the message was under way'
      const why = whyNotAgain(row)
      if (why === null) books.requeue(row, error, false)
      else fail(row, `${error} (the workspace may have had the message; ${why})`)
    }
  }

  function tellWaiting(queueId: string, reply: Reply): void {
    for (const resolve of waiting.get(queueId) ?? []) resolve(reply)
    waiting.delete(queueId)
  }

  /** A time of the caller's own choice, seconds; 0 for none (P31). */
  function timeoutOf(headers: Readonly<Record<string, string>>): number {
    const own = headers['x-timeout']
    if (own === undefined) return options.taskTimeoutMs
    return own === '0' ? Infinity : Number(own) * 1000
  }

  return {
    pump,
    drop,
    recover,
    reply: (queueId) =>
      inFlight.has(queueId)
        ? new Promise((resolve) => waiting.set(queueId, [...(waiting.get(queueId) ?? []), resolve]))
        : Promise.resolve({ kind: 'queued' }),
    heard(target, activeTasks, isNew) {
      paceOf(target).heard(activeTasks, isNew)
      pump(target)
    },
    accepted({ queue_id, workspace_id }) {
      // The answer to the caller goes first: what is accepted stands in the file already.
      setImmediate(() => {
        if (isClosing) return
        pump(workspace_id)
        const row = messages.get(queue_id)
        const delegation = row?.status === 'queued' ? books.delegationOf(row) : undefined
        if (delegation !== undefined) desk.move(delegation, 'queued')
      })
    },
    async close(graceMs) {
      isClosing = true
      const all = Promise.all(inFlight.values())
      let stop = (): void => undefined
      const patience = new Promise<void>((resolve) => (stop = clock.after(graceMs, resolve)))
      await Promise.race([all, patience])
      stop()
      scope.abort()
      await all
      for (const pace of paces.values()) pace.close()
      for (const queueId of [...waiting.keys()]) tellWaiting(queueId, { kind: 'queued' })
    },
  }
}

/** The platform's own word for who calls, and the workspace's own token for who may. */
export function headersTo(
  { inbound_token }: WorkspaceRow,
  { caller_id }: Pick<MessageRow, 'caller_id'>,
  headers: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...headers,
    ...(caller_id !== '' && { 'x-workspace-id': caller_id }),
    ...(inbound_token !== null && { authorization: `Bearer ${inbound_token}` }),
  }
}
