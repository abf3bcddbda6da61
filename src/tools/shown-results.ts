import { plainText, redact, type AsyncDelegationEvent } from '../index.js'
import type { Json, JsonObject } from '../runner.js'

/** Words with which our own turns begin in square brackets, and the marks around what a child said in them. */
const forgedMark =
  /\[(?=\s*(?:async\s+delegation|subagent\s+question|important\s*:|summary\s+truncated|\/?\s*child\s))/gi
/** Of a longer text only its two ends are looked at: no answer shows more of it (`boundedAnswer`). */
const readCharacters = 200_000
const deepest = 16

/** What somebody else wrote, for a model: the armour that a turn has (P10), but for the fence, as it stands in JSON. */
export function shownText(text: string): string {
  const half = readCharacters / 2
  const read =
    text.length <= readCharacters
      ? text
      : `${text.slice(0, half)}\n${leftOutMark(text.length - readCharacters)}\n${text.slice(-half)}`
  return redact(plainText(read)).replaceAll(forgedMark, '(')
}

export function leftOutMark(characters: number): string {
  return `(… ${characters} characters left out …)`
}

/** `shownText` of every text in it, its keys too. Whatever is no data of JSON, as a foreign value may be, becomes null. */
export function shownResult(value: unknown, depth = 0): Json {
  if (typeof value === 'string') return shownText(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'boolean') return value
  if (typeof value !== 'object' || value === null) return null
  if (depth === deepest) return '(… nested too deeply …)'
  if (Array.isArray(value)) return value.map((inner: unknown) => shownResult(inner, depth + 1))
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return Object.fromEntries(entries.map(([key, inner]) => [shownText(key), shownResult(inner, depth + 1)]))
}

/** Additive fields of a single unit's end that say more of its result, or where the rest of it is. */
const moreFields = [
  ...['output', 'schema_valid', 'schema_errors', 'failure_reason', 'missed_steer', 'truncated'],
  ...['summary_truncated', 'summary_full_path', 'files', 'data'],
] as const

export interface ShownResults extends JsonObject {
  readonly results: readonly JsonObject[]
}

/** `{ results, total_duration_seconds }` of an end, whichever form its unit had (spec 4.5). */
export function shownResults(event: AsyncDelegationEvent): ShownResults {
  if (event.is_batch === true) {
    const { results, total_duration_seconds = null, error } = event
    return {
      results: shownResult(results) as readonly JsonObject[],
      total_duration_seconds,
      ...(error !== null && { error: shownText(error) }),
    }
  }
  const { status, summary, error, api_calls, duration_seconds, model, exit_reason } = event
  const more = moreFields.map((name) => [name, (event as JsonObject)[name]] as const)
  const entry = {
    ...{ task_index: 0, status, summary, error, api_calls, duration_seconds, model, exit_reason },
    ...Object.fromEntries(more),
  }
  return { results: [shownResult(entry) as JsonObject], total_duration_seconds: duration_seconds }
}
