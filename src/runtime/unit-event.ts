import {
  childEntry,
  batchEvent,
  singleEvent,
  wholeBatch,
  type ChildOutcome,
  type UnitFacts,
} from '../core/completion.js'
import type { AsyncDelegationEvent, ChildResult, EventRoute } from '../core/event.js'
import type { Child } from './child.js'
import type { UnitDraft } from '../ledger/shapes.js'

/** `single` and `children` run one runner per child; `whole` is one function for the batch (R31). */
export type UnitForm = 'single' | 'children' | 'whole'

type UnitMeasures = Pick<UnitFacts, 'dispatchedAt' | 'completedAt' | 'durationSeconds' | 'liveTranscripts'>

export interface UnitEventFacts extends UnitMeasures {
  readonly form: UnitForm
  readonly draft: UnitDraft
  /** The outcome of the only child, where there is one by form. */
  readonly first: ChildOutcome | null
  readonly results: readonly ChildResult[]
}

/** What is known of a unit, and what was measured of it. */
export function unitFacts(draft: UnitDraft, measured: UnitMeasures): UnitFacts {
  const { dispatchedAt, completedAt, durationSeconds, liveTranscripts } = measured
  return {
    delegationId: draft.id,
    route: routeOf(draft),
    goal: draft.goal,
    context: draft.context,
    toolsets: draft.toolsets,
    role: draft.role,
    model: draft.model,
    metadata: draft.metadata,
    parentId: draft.parentId,
    ...(draft.part && { part: draft.part }),
    dispatchedAt,
    completedAt,
    durationSeconds,
    liveTranscripts,
  }
}

/** The final event of a unit whose children all have an outcome. */
export function unitEvent(given: UnitEventFacts): AsyncDelegationEvent {
  const { form, draft, first, results } = given
  const facts = unitFacts(draft, given)
  if (form === 'single' && first !== null) return singleEvent(facts, first)
  const goals = draft.goals ?? []
  const totalDurationSeconds = facts.durationSeconds
  if (form === 'whole' && first !== null) {
    if (first.cause === 'returned') return batchEvent(facts, goals, wholeBatch(first.fields))
    // R36: it threw, or was stopped: nothing is known of its children.
    const { status, error, detail } = first
    return batchEvent(facts, goals, { results: [], error, totalDurationSeconds, status, detail })
  }
  const [stalled] = results.length > 0 && results.every(({ status }) => status === 'stalled') ? results : []
  if (stalled === undefined) return batchEvent(facts, goals, { results, error: null, totalDurationSeconds })
  return batchEvent(facts, goals, {
    results,
    error: stalled.error ?? null,
    totalDurationSeconds,
    status: 'stalled',
    fields: stalled,
  })
}

function routeOf({ route }: UnitDraft): EventRoute {
  const { sessionKey, parentSessionId, originUiSessionId, originSessionId } = route
  return {
    session_key: sessionKey,
    ...(parentSessionId !== null && { parent_session_id: parentSessionId }),
    ...(originUiSessionId !== '' && { origin_ui_session_id: originUiSessionId }),
    ...(originSessionId !== '' && { origin_session_id: originSessionId }),
  }
}

/** What is recorded of a child that ended. */
export function entryOf(child: Child, outcome: ChildOutcome): ChildResult {
  const { index, job, seconds } = child
  return childEntry(index, withMissed(child, outcome), {
    model: job.task.model,
    durationSeconds: seconds,
    transcript: job.transcriptPath,
  })
}

/** The outcome of a child, with what it was sent and did not take; null while it is open. */
export function outcomeOf(child: Child | undefined): ChildOutcome | null {
  return child === undefined || child.outcome === null ? null : withMissed(child, child.outcome)
}

function withMissed({ conversation }: Child, outcome: ChildOutcome): ChildOutcome {
  const missed = [...(conversation?.untaken ?? [])].map(({ text }) => text)
  // What a runner says under that name is no report of ours.
  if (missed.length === 0 && outcome.fields['missed_steer'] === undefined) return outcome
  const missed_steer = missed.length === 0 ? undefined : missed
  return { ...outcome, fields: { ...outcome.fields, missed_steer } }
}

/** Transcript paths by child index; null where none are kept. */
export function transcriptsOf(
  paths: readonly (string | null)[] | null,
): Readonly<Record<string, string>> | null {
  if (paths === null) return null
  const kept = paths.flatMap((path, index) => (path === null ? [] : [[String(index), path]]))
  return kept.length === 0 ? null : (Object.fromEntries(kept) as Readonly<Record<string, string>>)
}
