/** What happened in each workspace, for its people: append-only, newest first, bounded by age. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../index.js'
import type { Json, JsonObject } from '../runner.js'
import type { Store } from './store.js'
import { isoTime } from './workspaces.js'

/** What a workspace may report itself (P19). */
export const reportedTypes = [
  'a2a_send',
  'a2a_receive',
  'task_update',
  'agent_log',
  'skill_promotion',
  'memory_write',
  'error',
] as const

export interface NewActivity {
  readonly workspace_id: string
  readonly activity_type: (typeof reportedTypes)[number] | 'delegation' | 'agent_message'
  readonly source_id?: string | null
  readonly target_id?: string | null
  readonly method?: string | null
  readonly summary?: string
  readonly request_body?: Json
  readonly response_body?: Json
  readonly status?: string
  readonly error_detail?: string | null
  readonly duration_ms?: number | null
  readonly metadata?: Json
}

export interface ActivitySelect {
  readonly type: string | null
  /** `canvas`: without a source, `agent`: with one. */
  readonly source: 'canvas' | 'agent' | null
  readonly limit: number
  /** Only what is older than this row. */
  readonly before: number | null
}

export interface Activities {
  add(activity: NewActivity): void
  list(workspaceId: string, select: ActivitySelect): readonly JsonObject[]
  prune(before: number): void
}

interface Row {
  readonly n: number
  readonly request_body: string | null
  readonly response_body: string | null
  readonly metadata: string | null
  readonly created_at: number
  readonly [column: string]: string | number | null
}

/** Of a body in the log; what a workspace reports is never longer, and an answer stands in full elsewhere. */
const bodyCharacters = 1_048_576

export function createActivities({ db, write }: Store, clock: Clock): Activities {
  return {
    add(activity) {
      write(() =>
        db
          .sql(
            `INSERT INTO activities VALUES (NULL, :id, :workspace_id, :activity_type, :source_id, :target_id, :method,
               :summary, :request_body, :response_body, :status, :error_detail, :duration_ms, :metadata, :now)`,
          )
          .run({
            id: randomUUID(),
            workspace_id: activity.workspace_id,
            activity_type: activity.activity_type,
            source_id: activity.source_id ?? null,
            target_id: activity.target_id ?? null,
            method: activity.method ?? null,
            summary: activity.summary ?? '',
            request_body: stored(activity.request_body),
            response_body: stored(activity.response_body),
            status: activity.status ?? 'ok',
            error_detail: activity.error_detail ?? null,
            duration_ms: activity.duration_ms ?? null,
            metadata: stored(activity.metadata),
            now: clock.now(),
          }),
      )
    },
    list(workspaceId, { type, source, limit, before }) {
      const rows = db
        .sql(
          `SELECT * FROM activities WHERE workspace_id = :workspaceId AND (:type IS NULL OR activity_type = :type)
             AND (:source IS NULL OR (source_id IS NULL) = (:source = 'canvas')) AND (:before IS NULL OR n < :before)
           ORDER BY n DESC LIMIT :limit`,
        )
        .all<Row>({ workspaceId, type, source, before, limit })
      return rows.map(({ request_body, response_body, metadata, created_at, ...row }) => ({
        ...row,
        request_body: shown(request_body),
        response_body: shown(response_body),
        metadata: shown(metadata),
        created_at: isoTime(created_at),
      }))
    },
    prune(before) {
      write(() => db.sql('DELETE FROM activities WHERE created_at < :before').run({ before }))
    },
  }
}

function stored(body: Json | undefined): string | null {
  if (body === undefined || body === null) return null
  const text = JSON.stringify(body)
  return text.length <= bodyCharacters ? text : JSON.stringify({ omitted_characters: text.length })
}

function shown(text: string | null): Json {
  return text === null ? null : (JSON.parse(text) as Json)
}
