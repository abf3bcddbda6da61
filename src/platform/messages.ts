/**
 * The queue: every message to a workspace, from its acceptance on (P33-P37). `queued` → `dispatched` → `completed`,
 * `failed` or `dropped`, and `dispatched` → `queued` for what was not taken: the same row, so that nothing is lost or
 * doubled on the way (6-B8). These words are no statuses of delegations.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../index.js'
import type { Json, JsonObject } from '../runner.js'
import type { Store } from './store.js'
import { isoTime } from './workspaces.js'

export type MessageStatus = 'queued' | 'dispatched' | 'completed' | 'failed' | 'dropped'

export interface MessageRow {
  readonly n: number
  readonly queue_id: string
  readonly workspace_id: string
  /** Empty for the operator. */
  readonly caller_id: string
  readonly message_id: string
  readonly delegation_id: string | null
  readonly body: string
  readonly headers: string
  readonly status: MessageStatus
  readonly attempts: number
  readonly enqueued_at: number
  readonly dispatched_at: number | null
  readonly completed_at: number | null
  readonly expires_at: number
  /** 1: the workspace works on it, and is asked how its task stands. */
  readonly is_followed: 0 | 1
  readonly task_id: string | null
  readonly context_id: string | null
  readonly http_status: number | null
  readonly response_body: string | null
  readonly last_error: string | null
}

export interface NewMessage {
  readonly target: string
  readonly caller: string
  readonly messageId: string
  readonly delegationId: string | null
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly expiresAt: number
}

export interface MessageEnd {
  readonly status: 'completed' | 'failed' | 'dropped'
  readonly httpStatus?: number
  readonly body?: string
  readonly taskId?: string | null
  readonly contextId?: string | null
  readonly error?: string
}

export interface Messages {
  get(queueId: string): MessageRow | undefined
  /** The one that there is by this id from this caller, or a new one; one that failed or was dropped begins anew. */
  enqueue(message: NewMessage): MessageRow
  known(target: string, caller: string, messageId: string): MessageRow | undefined
  depth(target: string): number
  /** Of one caller's. */
  depthOf(target: string, caller: string): number
  /** The oldest that waits is now `dispatched`, which counts as an attempt. */
  claim(target: string): MessageRow | undefined
  /** Back in its place. `isFree`: the workspace has not had it, and the attempt does not count. */
  requeue(queueId: string, error: string, isFree: boolean): void
  follow(queueId: string, taskId: string, contextId: string | null): void
  end(queueId: string, end: MessageEnd): boolean
  /** Left by a process that has ended. */
  dispatched(): readonly MessageRow[]
  targetsWaiting(): readonly string[]
  expired(): readonly MessageRow[]
  ofDelegation(caller: string, delegationId: string): readonly MessageRow[]
  /** Whether `target` has answered a message of the caller with this task, or conversation. */
  isOwn(target: string, caller: string, column: 'task_id' | 'context_id', id: string): boolean
  prune(before: number): void
}

export function createMessages({ db, write }: Store, clock: Clock): Messages {
  const get = (queueId: string): MessageRow | undefined =>
    db.sql('SELECT * FROM messages WHERE queue_id = :queueId').get<MessageRow>({ queueId })
  const known = (target: string, caller: string, messageId: string): MessageRow | undefined =>
    db
      .sql(
        'SELECT * FROM messages WHERE workspace_id = :target AND caller_id = :caller AND message_id = :messageId',
      )
      .get<MessageRow>({ target, caller, messageId })

  return {
    get,
    known,
    enqueue({ target, caller, messageId, delegationId, body, headers, expiresAt }) {
      return write(() => {
        const before = known(target, caller, messageId)
        if (before !== undefined && before.status !== 'failed' && before.status !== 'dropped') return before
        if (before !== undefined) db.sql('DELETE FROM messages WHERE n = :n').run({ n: before.n })
        const queueId = randomUUID()
        db.sql(
          `INSERT INTO messages VALUES (NULL, :queueId, :target, :caller, :messageId, :delegationId, :body, :headers,
             'queued', 0, :now, NULL, NULL, :expiresAt, 0, NULL, NULL, NULL, NULL, NULL)`,
        ).run({
          queueId,
          target,
          caller,
          messageId,
          delegationId,
          body,
          headers: JSON.stringify(headers),
          expiresAt,
          now: clock.now(),
        })
        return get(queueId) as MessageRow
      })
    },
    depth: (target) =>
      db
        .sql("SELECT count(*) AS count FROM messages WHERE workspace_id = :target AND status = 'queued'")
        .get<{ count: number }>({ target })?.count ?? 0,
    depthOf: (target, caller) =>
      db
        .sql(
          `SELECT count(*) AS count FROM messages
           WHERE workspace_id = :target AND status = 'queued' AND caller_id = :caller`,
        )
        .get<{ count: number }>({ target, caller })?.count ?? 0,
    claim(target) {
      return write(() => {
        const now = clock.now()
        const row = db
          .sql(
            `SELECT n, queue_id FROM messages WHERE workspace_id = :target AND status = 'queued' AND expires_at > :now
             ORDER BY n LIMIT 1`,
          )
          .get<{ n: number; queue_id: string }>({ target, now })
        if (row === undefined) return undefined
        db.sql(
          `UPDATE messages SET status = 'dispatched', dispatched_at = :now, attempts = attempts + 1 WHERE n = :n`,
        ).run({ n: row.n, now })
        return get(row.queue_id)
      })
    },
    requeue(queueId, error, isFree) {
      write(() =>
        db
          .sql(
            `UPDATE messages SET status = 'queued', last_error = :error, attempts = attempts - :free
             WHERE queue_id = :queueId AND status = 'dispatched'`,
          )
          .run({ queueId, error, free: isFree ? 1 : 0 }),
      )
    },
    follow(queueId, taskId, contextId) {
      write(() =>
        db
          .sql(
            `UPDATE messages SET is_followed = 1, task_id = :taskId, context_id = :contextId
             WHERE queue_id = :queueId AND status = 'dispatched'`,
          )
          .run({ queueId, taskId, contextId }),
      )
    },
    end(queueId, { status, httpStatus, body, taskId, contextId, error }) {
      const values = {
        queueId,
        status,
        httpStatus: httpStatus ?? null,
        body: body ?? null,
        taskId: taskId ?? null,
        contextId: contextId ?? null,
        error: error ?? null,
        now: clock.now(),
      }
      return write(
        () =>
          db
            .sql(
              `UPDATE messages SET status = :status, completed_at = :now, is_followed = 0, http_status = :httpStatus,
                 response_body = :body, task_id = coalesce(:taskId, task_id),
                 context_id = coalesce(:contextId, context_id), last_error = coalesce(:error, last_error)
               WHERE queue_id = :queueId AND status IN ('queued', 'dispatched')`,
            )
            .run(values) === 1,
      )
    },
    dispatched: () =>
      db.sql("SELECT * FROM messages WHERE status = 'dispatched' ORDER BY n").all<MessageRow>(),
    targetsWaiting: () =>
      db
        .sql("SELECT DISTINCT workspace_id AS id FROM messages WHERE status = 'queued'")
        .all<{ id: string }>()
        .map(({ id }) => id),
    expired: () =>
      db
        .sql("SELECT * FROM messages WHERE status = 'queued' AND expires_at <= :now LIMIT 1000")
        .all<MessageRow>({ now: clock.now() }),
    ofDelegation: (caller, delegationId) =>
      db
        .sql('SELECT * FROM messages WHERE caller_id = :caller AND delegation_id = :delegationId')
        .all<MessageRow>({ caller, delegationId }),
    isOwn: (target, caller, column, id) =>
      db
        .sql(
          `SELECT 1 FROM messages WHERE workspace_id = :target AND caller_id = :caller AND ${column} = :id LIMIT 1`,
        )
        .get({ target, caller, id }) !== undefined,
    prune(before) {
      write(() => db.sql('DELETE FROM messages WHERE completed_at < :before').run({ before }))
    },
  }
}

/** P22. The message itself, and whose it is, stand nowhere in it. */
export function queueView(row: MessageRow): JsonObject {
  const { queue_id, workspace_id, status, attempts, last_error, response_body } = row
  return {
    queue_id,
    workspace_id,
    status,
    attempts,
    ...(last_error !== null && { last_error }),
    enqueued_at: isoTime(row.enqueued_at),
    ...(row.dispatched_at !== null && { dispatched_at: isoTime(row.dispatched_at) }),
    ...(row.completed_at !== null && { completed_at: isoTime(row.completed_at) }),
    expires_at: isoTime(row.expires_at),
    ...(status === 'completed' && response_body !== null && { response_body: parsedOr(response_body) }),
  }
}

function parsedOr(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}
