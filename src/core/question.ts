/** A question that a child waits with: as an event of its own, it shares the unit's id, and is never its end. Pure. */
import { batchEvent, singleEvent, type UnitFacts } from './completion.js'
import type { AsyncDelegationEvent } from './event.js'
import type { JsonObject } from './json.js'

/** As it is stored and sent. */
export interface OpenQuestion extends JsonObject {
  /** `ask-<n>`, within its unit. */
  readonly question_id: string
  readonly task_index: number
  readonly text: string
  readonly choices?: readonly string[]
  /** What counts as the answer when none comes in time. */
  readonly default?: string
  /** From `asked_at` on. */
  readonly timeout_seconds?: number
  /** Unix seconds, float. */
  readonly asked_at: number
}

/** The event that hands the question to a host; `results` of a batch stay empty. */
export function questionEvent(
  facts: UnitFacts,
  goals: readonly string[] | null,
  question: OpenQuestion,
): AsyncDelegationEvent {
  const own = { event_id: questionEventId(facts.delegationId, question.question_id), question }
  if (goals !== null) {
    const joined = { results: [], error: null, totalDurationSeconds: null, status: 'running' }
    return { ...batchEvent(facts, goals, joined), ...own, n_tasks: goals.length }
  }
  const unanswered = { status: 'running', cause: 'returned', fields: {}, error: null, detail: null } as const
  return { ...singleEvent(facts, unanswered), ...own }
}

export function questionEventId(delegationId: string, questionId: string): string {
  return `${delegationId}:${questionId}`
}
