/** Who is there, with what token, and how it is doing. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../index.js'
import type { Json, JsonObject } from '../runner.js'
import { canCommunicate, type ParentOf } from './access.js'
import type { Store } from './store.js'

export interface WorkspaceRow {
  readonly id: string
  readonly token_hash: string
  readonly name: string
  readonly role: string
  readonly tier: number
  readonly parent_id: string | null
  readonly url: string
  readonly agent_card: string
  readonly inbound_token: string | null
  readonly deduplicates: 0 | 1
  readonly can_delegate: 0 | 1
  readonly max_concurrent_tasks: number
  readonly status: 'online' | 'offline'
  readonly last_heartbeat_at: number
  readonly error_rate: number
  readonly sample_error: string
  readonly active_tasks: number
  readonly current_task: string
  readonly uptime_seconds: number
}

/** What a registration says; the rest of a row is the platform's to know. */
export type Registration = Pick<
  WorkspaceRow,
  | 'id'
  | 'name'
  | 'role'
  | 'tier'
  | 'parent_id'
  | 'url'
  | 'agent_card'
  | 'inbound_token'
  | 'deduplicates'
  | 'can_delegate'
  | 'max_concurrent_tasks'
>

export type Heartbeat = Pick<
  WorkspaceRow,
  'error_rate' | 'sample_error' | 'active_tasks' | 'current_task' | 'uptime_seconds'
>

export interface Workspaces {
  get(id: string): WorkspaceRow | undefined
  /** Of a bearer. */
  ofToken(token: string): WorkspaceRow | undefined
  count(): number
  /** Returns the token where a new one was made: for a new workspace, or where it is to be changed. */
  register(registration: Registration, isNewToken: boolean): string | null
  heartbeat(id: string, beat: Heartbeat): void
  setCard(id: string, card: Json): void
  mayTalk(a: string, b: string): boolean
  parentOf: ParentOf
  /** P11: siblings, children and parent; `text` is sought in names and roles. */
  peersOf(id: string, text: string): readonly WorkspaceRow[]
  online(): readonly string[]
  /** Those that have not been heard of since `before` are offline from now on. Returns them. */
  expire(before: number): readonly string[]
}

/** P1: 256 bits. */
const newToken = (): string => `hdp_${randomBytes(32).toString('base64url')}`
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** In the same time, whatever stands in them. */
export function isSameToken(given: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(given), 'hex'), Buffer.from(hash, 'hex'))
}

export const tokenHash = hashOf

export function createWorkspaces({ db, write }: Store, clock: Clock): Workspaces {
  const get = (id: string): WorkspaceRow | undefined =>
    db.sql('SELECT * FROM workspaces WHERE id = :id').get<WorkspaceRow>({ id })
  const parentOf: ParentOf = (id) =>
    db.sql('SELECT parent_id FROM workspaces WHERE id = :id').get<{ parent_id: string | null }>({ id })
      ?.parent_id

  return {
    get,
    parentOf,
    ofToken(token) {
      // Found by its hash, of which a guess tells nothing.
      const hash = hashOf(token)
      const row = db.sql('SELECT * FROM workspaces WHERE token_hash = :hash').get<WorkspaceRow>({ hash })
      return row !== undefined && isSameToken(token, row.token_hash) ? row : undefined
    },
    count: () => db.sql('SELECT count(*) AS count FROM workspaces').get<{ count: number }>()?.count ?? 0,
    register(registration, isNewToken) {
      return write(() => {
        const known = get(registration.id)
        const token = known === undefined || isNewToken ? newToken() : null
        const tokenHash = token === null ? (known?.token_hash ?? '') : hashOf(token)
        db.sql(
          `INSERT INTO workspaces VALUES (:id, :hash, :name, :role, :tier, :parent_id, :url, :agent_card, :inbound_token,
             :deduplicates, :can_delegate, :max_concurrent_tasks, 'online', :now, 0, '', 0, '', 0)
           ON CONFLICT (id) DO UPDATE SET token_hash = :hash, name = :name, role = :role, tier = :tier,
             parent_id = :parent_id, url = :url, agent_card = :agent_card, inbound_token = :inbound_token,
             deduplicates = :deduplicates, can_delegate = :can_delegate, max_concurrent_tasks = :max_concurrent_tasks,
             status = 'online', last_heartbeat_at = :now, active_tasks = 0`,
        ).run({ ...registration, hash: tokenHash, now: clock.now() })
        return token
      })
    },
    heartbeat(id, beat) {
      write(() =>
        db
          .sql(
            `UPDATE workspaces SET status = 'online', last_heartbeat_at = :now, error_rate = :error_rate,
               sample_error = :sample_error, active_tasks = :active_tasks, current_task = :current_task,
               uptime_seconds = :uptime_seconds WHERE id = :id`,
          )
          .run({ ...beat, id, now: clock.now() }),
      )
    },
    setCard(id, card) {
      write(() =>
        db
          .sql('UPDATE workspaces SET agent_card = :card WHERE id = :id')
          .run({ id, card: JSON.stringify(card) }),
      )
    },
    mayTalk: (a, b) => canCommunicate(a, b, parentOf),
    peersOf(id, text) {
      const rows = db
        .sql(
          `SELECT * FROM workspaces WHERE id <> :id AND (parent_id IS :parent OR parent_id = :id OR id = :parent)
           ORDER BY name, id`,
        )
        .all<WorkspaceRow>({ id, parent: parentOf(id) ?? null })
      const sought = text.toLowerCase()
      return rows.filter(({ name, role }) => [name, role].some((word) => word.toLowerCase().includes(sought)))
    },
    online: () =>
      db
        .sql("SELECT id FROM workspaces WHERE status = 'online'")
        .all<{ id: string }>()
        .map(({ id }) => id),
    expire(before) {
      const silent = db
        .sql("SELECT id FROM workspaces WHERE status = 'online' AND last_heartbeat_at < :before")
        .all<{ id: string }>({ before })
      if (silent.length === 0) return []
      write(() =>
        db
          .sql(
            "UPDATE workspaces SET status = 'offline' WHERE status = 'online' AND last_heartbeat_at < :before",
          )
          .run({ before }),
      )
      return silent.map(({ id }) => id)
    },
  }
}

/** P11. `url` is the platform's proxy: an address of its own would outlive the permission to use it. */
export function peerView(row: WorkspaceRow, url: string): JsonObject {
  const { id, name, role, tier, status, parent_id, active_tasks } = row
  const agent_card = JSON.parse(row.agent_card) as Json
  return { id, name, role, tier, status, agent_card, url, parent_id, active_tasks }
}

/** P13, for the workspace itself. */
export function ownView(row: WorkspaceRow, url: string): JsonObject {
  const { last_heartbeat_at, error_rate, sample_error, current_task, uptime_seconds } = row
  const { max_concurrent_tasks, can_delegate, deduplicates } = row
  return {
    ...peerView(row, url),
    last_heartbeat_at: isoTime(last_heartbeat_at),
    error_rate,
    sample_error,
    current_task,
    uptime_seconds,
    max_concurrent_tasks,
    can_delegate: can_delegate === 1,
    deduplicates: deduplicates === 1,
  }
}

export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
