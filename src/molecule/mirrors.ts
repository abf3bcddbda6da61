/**
 * What the platform is told of delegations that it does not run itself (M33-M36, M54, M55). Best effort and in order, one
 * at a time, behind the work: no mirror delays, fails or changes a delegation, and a platform that hangs costs a bounded
 * queue and nothing else.
 */
import type { JsonObject } from '../runner.js'
import type { Platform } from './platform-api.js'
import { firstCharacters, type MoleculeStatus } from './records.js'

export interface Mirrors {
  record(source: string, target: string, task: string, id: string): void
  update(source: string, id: string, status: MoleculeStatus, ends: { error?: string; result?: string }): void
  notify(source: string, target: string, id: string, status: MoleculeStatus): void
  activity(report: ActivityReport): void
  /** Resolves once all that was posted so far was tried. */
  flushed(): Promise<void>
  /** Posts nothing from now on, not even what waits. */
  drop(): void
  /** What could not be posted, or was answered with something else than success. */
  readonly lost: number
}

export interface ActivityReport {
  readonly type: 'a2a_send' | 'a2a_receive'
  readonly source: string
  readonly target: string
  readonly summary: string
  readonly status: 'ok' | 'error'
  readonly task?: string
  /** Never cut. */
  readonly response?: string
  readonly errorDetail?: string
}

const mirrorMs = 10_000
const activityMs = 5_000
/** Posts that may wait; more are dropped, and counted. */
const mostWaiting = 1_000
const previewCharacters = 500
const summaryCharacters = 256
const errorDetailCharacters = 4_096
const sentinel = '[A2A_ERROR] '

export function createMirrors(
  post: Platform['post'],
  onLost: (path: string, reason: string) => void,
): Mirrors {
  let waiting = 0
  let lost = 0
  const over = new AbortController()
  /** Of each source, how many it waits for: its heartbeat says so, and the platform gives work to who has room. */
  const waitedFor = new Map<string, number>()
  let last = Promise.resolve()

  function enqueue(source: string, path: string, body: JsonObject, timeoutMs = mirrorMs): void {
    if (waiting >= mostWaiting) {
      drop(path, `${mostWaiting} are waiting already`)
      return
    }
    waiting += 1
    last = last.then(async () => {
      const outcome = await post(source, path, body, timeoutMs, over.signal)
      waiting -= 1
      if (outcome.kind !== 'answer') drop(path, outcome.error)
      else if (outcome.status >= 300) drop(path, `HTTP ${outcome.status}`)
    })
  }

  function drop(path: string, reason: string): void {
    lost += 1
    onLost(path, reason)
  }

  const of = (source: string): string => `/workspaces/${encodeURIComponent(source)}`

  return {
    record(source, target, task, id) {
      enqueue(source, `${of(source)}/delegations/record`, { target_id: target, task, delegation_id: id })
    },
    update(source, id, status, { error = '', result = '' }) {
      enqueue(source, `${of(source)}/delegations/${encodeURIComponent(id)}/update`, {
        status,
        error,
        response_preview: firstCharacters(result, previewCharacters),
      })
    },
    notify(source, target, id, status) {
      enqueue(source, `${of(source)}/notify`, {
        type: 'delegation_complete',
        // The platform refuses a notice that says nothing.
        message: `Delegation to ${target}: ${status}`,
        task_id: id,
        target_workspace_id: target,
        status,
      })
    },
    activity({ type, source, target, summary, status, task, response, errorDetail }) {
      const shortSummary = firstCharacters(summary, summaryCharacters)
      const body = {
        activity_type: type,
        source_id: source,
        target_id: target,
        method: 'message/send',
        summary: shortSummary,
        status,
        ...(task !== undefined && { request_body: { task } }),
        ...(response !== undefined && { response_body: { result: response } }),
        ...(errorDetail !== undefined && { error_detail: errorDetailOf(errorDetail) }),
      }
      enqueue(source, `${of(source)}/activity`, body, activityMs)
      if (shortSummary === '') return
      const active = Math.max(0, (waitedFor.get(source) ?? 0) + (type === 'a2a_send' ? 1 : -1))
      waitedFor.set(source, active)
      const heartbeat = { workspace_id: source, current_task: shortSummary, active_tasks: active }
      enqueue(source, '/registry/heartbeat', heartbeat, activityMs)
    },
    flushed: () => last,
    drop: () => over.abort(),
    get lost() {
      return lost
    },
  }
}

function errorDetailOf(detail: string): string {
  const bare = detail.startsWith(sentinel) ? detail.slice(sentinel.length) : detail
  return firstCharacters(bare.trim(), errorDetailCharacters)
}
