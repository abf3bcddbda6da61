/**
 * What is told of a unit that still runs, as an event of its own: it shares the unit's id, and is never its end (spec 2.9).
 * Pure.
 */
import { batchEvent, type UnitFacts } from './completion.js'
import { isSuccess } from './delegation.js'
import type { BatchEvent, ChildResult } from './event.js'

/** `failure`: a child failed while its siblings run. `result`: any child ended, and each is told by itself. */
export type NoticeKind = 'failure' | 'result'

export function noticeEvent(
  kind: NoticeKind,
  facts: UnitFacts,
  goals: readonly string[],
  entry: ChildResult,
): BatchEvent {
  const joined = { results: [entry], error: null, totalDurationSeconds: null, status: 'running' }
  return {
    ...batchEvent(facts, goals, joined),
    event_id: `${facts.delegationId}:task-${kind}:${entry.task_index}`,
    n_tasks: goals.length,
    ...(kind === 'failure' ? { task_failure_notice: true } : { task_result_notice: true }),
  }
}

/** Spec 2.9: a failure is told early, a stop that somebody asked for is not. Null: nothing is told. */
export function noticeKind(
  tells: { readonly policy: string; readonly earlyFailure: boolean },
  { status }: ChildResult,
): NoticeKind | null {
  if (tells.policy === 'each') return 'result'
  const hasFailed = !isSuccess(status) && status !== 'interrupted'
  return tells.earlyFailure && hasFailed ? 'failure' : null
}
