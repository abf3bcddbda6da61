/** The end of a unit whose owner died: what had been recorded stays, the rest is unknown (spec 2.6). Pure. */
import type { UnitFacts } from './completion.js'
import { batchEvent, singleEvent } from './completion.js'
import type { AsyncDelegationEvent, ChildResult } from './event.js'
import type { JsonObject } from './json.js'

const generic = 'Delegation owner exited before recording a terminal result; outcome unknown.'

export interface OwnerDeath {
  /** Null for a single unit. */
  readonly goals: readonly string[] | null
  /** Results that were recorded while it lived. */
  readonly recorded: readonly ChildResult[]
  /** The unit's state when it was last heard of. */
  readonly lastKnownStatus: string
  /** The ends of its transcripts, by child index. */
  readonly transcriptTails: Readonly<Record<string, string>>
}

/** The entry of a child of which nothing was recorded. */
export function unknownEntry(index: number): ChildResult {
  return { task_index: index, status: 'unknown', summary: null, error: generic }
}

/** The final event: `unknown`, with every result that was recorded. */
export function ownerDeathEvent(facts: UnitFacts, death: OwnerDeath): AsyncDelegationEvent {
  const { goals, recorded, lastKnownStatus, transcriptTails } = death
  const known: JsonObject = {
    last_known_status: lastKnownStatus,
    ...(Object.keys(transcriptTails).length > 0 && { transcript_tails: transcriptTails }),
  }
  const byIndex = new Map(recorded.map((entry) => [entry.task_index, entry]))
  const indexes = facts.part?.taskIndexes ?? (goals ?? []).map((_goal, index) => index)
  const isPartial = goals !== null && recorded.length > 0
  const error = isPartial
    ? `Delegation owner exited before the unit finished; ${recorded.length}/${indexes.length} child results were recorded ` +
      'and are included below, the rest are unknown.'
    : generic
  const results = indexes.map((index) => byIndex.get(index) ?? unknownEntry(index))
  const event =
    goals === null
      ? singleEvent(facts, { status: 'unknown', cause: 'owner_died', fields: {}, error, detail: null })
      : batchEvent(facts, goals, {
          results,
          error,
          totalDurationSeconds: facts.durationSeconds,
          status: 'unknown',
        })
  return { ...event, ...known }
}
