/** How what a runner gave becomes an outcome, an entry of a batch, and an event. Pure. */
import { joinStatus } from './batch.js'
import { isLiveWord, wordOfCause, type EndCause, type StopCause } from './delegation.js'
import type {
  AsyncDelegationEvent,
  BatchEvent,
  ChildResult,
  ErrorDetail,
  EventRoute,
  SingleEvent,
} from './event.js'
import { isJsonObject, type Json, type JsonObject } from './json.js'
import { withUsage } from './usage.js'

/** How one child ended. `fields` is what its runner returned, in plain data. */
export interface ChildOutcome {
  readonly status: string
  readonly cause: EndCause
  readonly fields: JsonObject
  readonly error: string | null
  readonly detail: ErrorDetail | null
}

/** A word, not a text. */
const statusCharacters = 200

/** The stop that was asked of a child before it ended, if any. */
export interface StopRequest {
  readonly cause: StopCause
  readonly reason: string
  /** What else is known of it: beside the result of a child that did not return one. */
  readonly fields?: JsonObject
}

/**
 * R21: no status means `completed`, any other word is delivered as it is. R22: a word that means "still going on" is
 * an `error`. A runner that was stopped can only say `interrupted`; the runtime knows why, and says that (P9).
 */
export function outcomeOfResult(fields: JsonObject, stop: StopRequest | null): ChildOutcome {
  const error = text(fields['error'])
  const said = fields['status']
  if (said === undefined || said === null || said === '') {
    return { status: 'completed', cause: 'returned', fields, error, detail: null }
  }
  const base = { fields, detail: null, cause: 'returned' } as const
  if (typeof said !== 'string' || isLiveWord(said)) {
    const word = typeof said === 'string' ? said : typeof said
    return {
      ...base,
      status: 'error',
      error: error ?? `the runner returned the live status ${JSON.stringify(word)}`,
    }
  }
  if (said.length > statusCharacters) {
    return {
      ...base,
      status: 'error',
      error: error ?? `the runner's status is ${said.length} characters long`,
    }
  }
  if (said !== 'interrupted' || stop === null) return { ...base, status: said, error }
  const told = stop.cause === 'budget' ? { ...fields, ...stop.fields } : { ...stop.fields, ...fields }
  // Of who stopped for its budget the word alone says nothing of it.
  const why = stop.cause === 'budget' ? (error ?? stop.reason) : error
  return { ...base, fields: told, status: wordOfCause(stop.cause), error: why }
}

/** R23: `<Type>: <message>`. Whoever unwinds by throwing after a stop was stopped, and did not fail. */
export function outcomeOfError(
  detail: ErrorDetail,
  cause: 'threw' | 'lost',
  stop: StopRequest | null,
): ChildOutcome {
  if (stop !== null) return stoppedOutcome(stop, detail)
  return {
    status: 'error',
    cause,
    fields: {},
    error: `${detail.name}: ${detail.message}`,
    detail: told(detail),
  }
}

/** The child ended because it was stopped, before it returned anything. */
export function stoppedOutcome(stop: StopRequest, detail: ErrorDetail | null = null): ChildOutcome {
  const status = wordOfCause(stop.cause)
  return {
    status,
    cause: stop.cause,
    fields: { exit_reason: status, ...stop.fields },
    error: stop.reason,
    detail: detail === null ? null : told(detail),
  }
}

/** Who did not return what it used is believed in what it last said of it. */
export function withReportedUsage(outcome: ChildOutcome, progress: JsonObject | null): ChildOutcome {
  const fields = withUsage(outcome.fields, progress)
  return fields === outcome.fields ? outcome : { ...outcome, fields }
}

/** Name and message stand in `error` already; the detail is worth sending when there is more. */
function told(detail: ErrorDetail): ErrorDetail | null {
  return detail.code === undefined && detail.cause === undefined ? null : detail
}

/** What is known of a unit when it ends. */
export interface UnitFacts {
  readonly delegationId: string
  readonly route: EventRoute
  readonly goal: string
  readonly context: string | null
  readonly toolsets: readonly string[] | null
  readonly role: string
  readonly model: string | null
  readonly dispatchedAt: number
  readonly completedAt: number
  /** Measured, two decimals. */
  readonly durationSeconds: number
  readonly metadata: JsonObject | null
  /** Of one of several units of a call (spec 2.10). */
  readonly parentId?: string | null
  readonly part?: { readonly group: string | null; readonly taskIndexes: readonly number[] }
  readonly liveTranscripts: Readonly<Record<string, string>> | null
}

/** Fields of ours that travel beside Hermes' own when the runner gave them. */
const routeFields = ['parent_session_id', 'origin_ui_session_id', 'origin_session_id'] as const
const additiveFields = [
  'usage',
  'budget_exceeded',
  'session_id',
  'worktree',
  'failure_reason',
  'files',
  'data',
  'peer',
  'tool_trace',
  'cost_usd',
  'missed_steer',
  'truncated',
  'summary_truncated',
  'summary_full_path',
  'summary_full_characters',
  'summary_full_sha256',
  'stalled_after_quiet_seconds',
  'stall_threshold_seconds',
  'stall_phase',
  'stall_grace_seconds',
  'stall_loop_blocked',
] as const

/** What was found of an output that had to fit a schema. */
const schemaFields = ['output', 'schema_valid', 'schema_retries', 'schema_errors'] as const

/** Spec 1.7: exactly Hermes' sixteen fields, and our additive ones where they are not empty. */
export function singleEvent(facts: UnitFacts, { status, fields, error, detail }: ChildOutcome): SingleEvent {
  const common = commonFields(facts, text(fields['model']) || facts.model, status, error)
  const own = {
    summary: text(fields['summary']),
    api_calls: numberOr(fields['api_calls'], 0),
    duration_seconds: numberOr(fields['duration_seconds'], facts.durationSeconds),
    exit_reason: text(fields['exit_reason']),
  }
  return Object.assign(common, own, additive(facts, detail, fields))
}

/** R37: Hermes' sixteen fields of a batch. `status` is R35's, unless the whole unit ended by a cause of its own. */
export function batchEvent(
  facts: UnitFacts,
  goals: readonly string[],
  joined: {
    readonly results: readonly ChildResult[]
    readonly error: string | null
    readonly totalDurationSeconds: number | null
    readonly status?: string
    readonly detail?: ErrorDetail | null
    /** What is told of the whole unit beside its results. */
    readonly fields?: JsonObject
  },
): BatchEvent {
  const { results, error, totalDurationSeconds, detail, fields = {} } = joined
  const common = commonFields(facts, facts.model, joined.status ?? joinStatus(results), error)
  const own = { goals, is_batch: true as const, results, total_duration_seconds: totalDurationSeconds }
  return Object.assign(common, own, additive(facts, detail, fields))
}

function commonFields(facts: UnitFacts, model: string | null, status: string, error: string | null) {
  return {
    type: 'async_delegation',
    delegation_id: facts.delegationId,
    event_id: facts.delegationId,
    session_key: facts.route.session_key,
    goal: facts.goal,
    context: facts.context,
    toolsets: facts.toolsets,
    role: facts.role,
    model,
    status,
    error,
    dispatched_at: facts.dispatchedAt,
    completed_at: facts.completedAt,
  } as const
}

/** What is absent when empty. */
function additive(facts: UnitFacts, detail: ErrorDetail | null | undefined, fields: JsonObject): JsonObject {
  const added: Record<string, Json | undefined> = {}
  for (const name of routeFields) if (facts.route[name] !== undefined) added[name] = facts.route[name]
  if (facts.metadata !== null) added['metadata'] = facts.metadata
  if (facts.parentId) added['parent_delegation_id'] = facts.parentId
  if (facts.part !== undefined) added['task_indexes'] = facts.part.taskIndexes
  if (facts.part?.group) added['group'] = facts.part.group
  if (facts.liveTranscripts !== null) added['live_transcripts'] = facts.liveTranscripts
  if (detail) added['error_detail'] = detail
  const names = fields['schema_valid'] === undefined ? additiveFields : [...additiveFields, ...schemaFields]
  for (const name of names)
    if (fields[name] !== undefined && fields[name] !== null) added[name] = fields[name]
  return added
}

/** Spec 4.6: a child's entry in `results`. What the runner added of its own stays, but the path of a transcript is ours. */
export function childEntry(
  index: number,
  outcome: ChildOutcome,
  known: {
    readonly model: string | null
    readonly durationSeconds: number
    readonly transcript: string | null
  },
): ChildResult {
  const { status, error, detail } = outcome
  const fields: Record<string, Json | undefined> = { ...outcome.fields }
  delete fields['live_transcript']
  return {
    ...fields,
    task_index: index,
    status,
    summary: text(fields['summary']),
    api_calls: numberOr(fields['api_calls'], 0),
    duration_seconds: numberOr(fields['duration_seconds'], known.durationSeconds),
    model: text(fields['model']) || known.model,
    exit_reason: text(fields['exit_reason']),
    error,
    ...(detail !== null && { error_detail: detail }),
    ...(known.transcript !== null && { live_transcript: known.transcript }),
  }
}

/** The whole-batch form (R31): what its one function returned, entries verbatim. */
export function wholeBatch(fields: JsonObject): {
  readonly results: readonly ChildResult[]
  readonly error: string | null
  readonly totalDurationSeconds: number | null
} {
  const { results, error, total_duration_seconds: total } = fields
  const given: readonly unknown[] = Array.isArray(results) ? results : []
  return {
    results: given.filter(isChildResult),
    error: text(error),
    totalDurationSeconds: typeof total === 'number' ? total : null,
  }
}

/** Entries are the runner's own (R31): an entry without an index counts as the first, as in the original. */
function isChildResult(entry: unknown): entry is ChildResult {
  return isJsonObject(entry)
}

/** True for an event of a batch (spec 3.3: also where only its results tell). */
export function isBatchEvent(event: AsyncDelegationEvent): event is BatchEvent {
  return event.is_batch === true
}

function text(value: Json | undefined): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `missing` only when the key is absent: a null that was given is delivered (spec 1.7). */
function numberOr(value: Json | undefined, missing: number): number | null {
  if (value === undefined) return missing
  return typeof value === 'number' ? value : null
}
