/** Delegations of this process by their task id, in the order in which they were accepted (M3-M5, M11). */
import type { JsonObject } from '../runner.js'
import type { Outcome, Remote } from './send-job.js'

/** The five words; the last two are final, and `queued` is alive. */
export type MoleculeStatus = 'pending' | 'in_progress' | 'queued' | 'completed' | 'failed'

/** Snake case: it is what a model sees of it. */
export interface MoleculeRecord {
  readonly task_id: string
  /** The target. */
  readonly workspace_id: string
  readonly source_workspace_id: string
  /** The first 200 characters of the task. */
  readonly task_description: string
  readonly status: MoleculeStatus
  /** In full, unless `result_is_preview`. */
  readonly result: string | null
  readonly result_is_preview: boolean
  readonly error: string | null
  readonly attempts: number
  /** Unix seconds. */
  readonly created_at: number
  readonly updated_at: number
  /** Where the peer has it; null while it may still be sent. */
  readonly remote: Remote | null
}

export type RecordEvent =
  | { readonly type: 'started' }
  | { readonly type: 'taken'; readonly remote: Remote; readonly isQueued: boolean; readonly attempts: number }
  | { readonly type: 'ended'; readonly outcome: Outcome }

export interface Records {
  add(
    record: Pick<MoleculeRecord, 'task_id' | 'workspace_id' | 'source_workspace_id'> & { task: string },
  ): void
  /** False when the record has ended, or is gone: then nothing has changed, and nobody is to be told. */
  apply(id: string, event: RecordEvent): boolean
  get(id: string): MoleculeRecord | null
  all(): readonly MoleculeRecord[]
}

const historyCap = 100
const shownCharacters = 200

export function createRecords(now: () => number, cap = historyCap): Records {
  const records = new Map<string, MoleculeRecord>()

  /** Only what has ended goes, the oldest first: so the map may be over its cap. */
  function evict(): void {
    let over = records.size - cap
    if (over <= 0) return
    for (const [id, record] of records) {
      if (!hasEnded(record)) continue
      records.delete(id)
      over -= 1
      if (over === 0) return
    }
  }

  return {
    add({ task, ...ids }) {
      const at = now()
      records.set(ids.task_id, {
        ...ids,
        task_description: firstCharacters(task, shownCharacters),
        status: 'pending',
        result: null,
        result_is_preview: false,
        error: null,
        attempts: 0,
        created_at: at,
        updated_at: at,
        remote: null,
      })
      evict()
    },
    apply(id, event) {
      const record = records.get(id)
      if (record === undefined || hasEnded(record)) return false
      records.set(id, { ...record, ...changesOf(event), updated_at: now() })
      return true
    },
    get: (id) => records.get(id) ?? null,
    all: () => [...records.values()],
  }
}

function changesOf(event: RecordEvent): Partial<MoleculeRecord> {
  if (event.type === 'started') return { status: 'in_progress' }
  if (event.type === 'taken') {
    const { remote, isQueued, attempts } = event
    return { status: isQueued ? 'queued' : 'in_progress', remote, attempts }
  }
  const { outcome } = event
  if (outcome.kind === 'failed') return { status: 'failed', error: outcome.error, attempts: outcome.attempts }
  const { text: result, isPreview, attempts } = outcome
  return { status: 'completed', result, result_is_preview: isPreview, attempts }
}

export function hasEnded({ status }: MoleculeRecord): boolean {
  return status === 'completed' || status === 'failed'
}

/** M37: cut where a listing is, and refreshed never. */
export function listedRecord(record: MoleculeRecord): JsonObject {
  const { task_id, workspace_id, status, task_description: task, result, error } = record
  return {
    task_id,
    workspace_id,
    status,
    task,
    ...(status === 'completed' && { result_preview: firstCharacters(result ?? '', shownCharacters) }),
    ...(status === 'failed' && { error }),
    created_at: record.created_at,
  }
}

/** M39. */
export function shownRecord(record: MoleculeRecord): JsonObject {
  const { task_id, workspace_id, status, task_description: task, result, error } = record
  return {
    task_id,
    workspace_id,
    status,
    task,
    ...(status === 'completed' && { result }),
    ...(record.result_is_preview && { result_is_preview: true }),
    ...(status === 'failed' && { error }),
    created_at: record.created_at,
    updated_at: record.updated_at,
  }
}

/** Never half of a character. */
export function firstCharacters(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '')
}
