/**
 * One row per delegation, moved by compare-and-set alone (P44-P46): whoever moves it to its end tells the caller, and so
 * it is told once.
 */
import type { Clock } from '../index.js'
import type { JsonObject } from '../runner.js'
import { canBecome, isTerminal, type DelegationStatus } from './delegation-status.js'
import type { Store } from './store.js'
import { isoTime } from './workspaces.js'

export interface DelegationRow {
  readonly n: number
  readonly delegation_id: string
  readonly caller_id: string
  readonly callee_id: string
  readonly task: string
  readonly status: DelegationStatus
  readonly result: string | null
  readonly error_detail: string | null
  readonly idempotency_key: string | null
  readonly deadline_at: number
  readonly created_at: number
  readonly updated_at: number
}

/** Ids are their caller's own: another workspace's choice of one neither blocks nor tells anything. */
export interface DelegationId {
  readonly caller: string
  readonly id: string
}

export interface MoveDetail {
  readonly result?: string
  readonly error?: string
}

export interface NewDelegation extends DelegationId {
  readonly callee: string
  readonly task: string
  readonly status: DelegationStatus
  readonly key: string | null
  readonly deadlineAt: number
}

export interface Delegations {
  get(id: DelegationId): DelegationRow | undefined
  byKey(caller: string, key: string): DelegationRow | undefined
  add(delegation: NewDelegation): DelegationRow
  /** A failed one gives its key back, so that the same task can be tried again (P26). */
  releaseKey(id: DelegationId): void
  /** True: this call has moved it. What was missing of an ended one's result or error is filled in once. */
  move(id: DelegationId, to: DelegationStatus, detail?: MoveDetail): boolean
  /** Sent and received ones, newest first. */
  list(workspaceId: string, limit: number, before: number | null): readonly DelegationRow[]
  overdue(): readonly DelegationRow[]
  /** Under way at workspaces that have not been heard of since `before`. */
  silent(before: number): readonly DelegationRow[]
  prune(before: number): void
}

export function createDelegations({ db, write }: Store, clock: Clock): Delegations {
  const get = ({ caller, id }: DelegationId): DelegationRow | undefined =>
    db
      .sql('SELECT * FROM delegations WHERE caller_id = :caller AND delegation_id = :id')
      .get<DelegationRow>({ caller, id })

  return {
    get,
    byKey: (caller, key) =>
      db
        .sql('SELECT * FROM delegations WHERE caller_id = :caller AND idempotency_key = :key')
        .get<DelegationRow>({ caller, key }),
    add({ caller, id, callee, task, status, key, deadlineAt }) {
      return write(() => {
        db.sql(
          `INSERT INTO delegations VALUES (NULL, :id, :caller, :callee, :task, :status, NULL, NULL, :key, :deadlineAt,
             :now, :now)`,
        ).run({ id, caller, callee, task, status, key, deadlineAt, now: clock.now() })
        return get({ caller, id }) as DelegationRow
      })
    },
    releaseKey({ caller, id }) {
      write(() =>
        db
          .sql(
            `UPDATE delegations SET idempotency_key = NULL
             WHERE caller_id = :caller AND delegation_id = :id AND status = 'failed'`,
          )
          .run({ caller, id }),
      )
    },
    move(id, to, { result, error } = {}) {
      return write(() => {
        const row = get(id)
        if (row === undefined) return false
        const isFilledIn = row.status === to && isTerminal(to)
        if (!isFilledIn && !canBecome(row.status, to)) return false
        const changed = db
          .sql(
            `UPDATE delegations SET status = :to, result = coalesce(result, :result),
               error_detail = coalesce(error_detail, :error), updated_at = :now
             WHERE n = :n AND status = :from`,
          )
          .run({
            to,
            n: row.n,
            from: row.status,
            result: result ?? null,
            error: error ?? null,
            now: clock.now(),
          })
        return changed === 1 && !isFilledIn
      })
    },
    list: (workspaceId, limit, before) =>
      db
        .sql(
          `SELECT * FROM delegations WHERE (caller_id = :workspaceId OR callee_id = :workspaceId)
             AND (:before IS NULL OR n < :before) ORDER BY n DESC LIMIT :limit`,
        )
        .all<DelegationRow>({ workspaceId, limit, before }),
    overdue: () =>
      db
        .sql(
          `SELECT * FROM delegations WHERE status NOT IN ('completed', 'failed') AND deadline_at <= :now LIMIT 1000`,
        )
        .all<DelegationRow>({ now: clock.now() }),
    silent: (before) =>
      db
        .sql(
          `SELECT d.* FROM delegations d JOIN workspaces w ON w.id = d.callee_id
           WHERE d.status NOT IN ('completed', 'failed') AND d.status IN ('dispatched', 'in_progress')
             AND w.last_heartbeat_at < :before`,
        )
        .all<DelegationRow>({ before }),
    prune(before) {
      write(() =>
        db
          .sql("DELETE FROM delegations WHERE status IN ('completed', 'failed') AND updated_at < :before")
          .run({ before }),
      )
    },
  }
}

const previewCharacters = 300

/**
 * For both generations of clients (2.11). `response_preview` is the whole result unless `isCut`: a client of the
 * dialect reads nothing else of a list.
 */
export function delegationView(row: DelegationRow, viewer: string, isCut = false): JsonObject {
  const { n, delegation_id, caller_id, callee_id, status, error_detail } = row
  const result = isCut && row.result !== null ? cut(row.result) : row.result
  return {
    id: delegation_id,
    type: 'delegation',
    delegation_id,
    source_id: caller_id,
    target_id: callee_id,
    direction: viewer === caller_id ? 'sent' : 'received',
    status,
    summary: `Delegating to ${callee_id}`,
    ...(result !== null && { response_preview: result, ...(isCut && { is_cut: true }) }),
    ...(error_detail !== null && { error: error_detail, error_detail }),
    created_at: isoTime(row.created_at),
    updated_at: isoTime(row.updated_at),
    deadline: isoTime(row.deadline_at),
    cursor: n,
  }
}

function cut(text: string): string {
  return text.length <= previewCharacters ? text : `${text.slice(0, previewCharacters)}...`
}
