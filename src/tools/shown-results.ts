import { redact, type AsyncDelegationEvent } from '../index.js'
import type { Json, JsonObject } from '../runner.js'

/** What children said, as data for the model: secrets are redacted in it, the event's own bounds hold (P10). */
export function shownResult(value: Json): Json {
  if (typeof value === 'string') return redact(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return (value as readonly Json[]).map(shownResult)
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, inner]) => [
      key,
      inner === undefined ? inner : shownResult(inner),
    ]),
  )
}

/** `{ results, total_duration_seconds }` of an end, whichever form its unit had (spec 4.5). */
export function shownResults(event: AsyncDelegationEvent): JsonObject {
  if (event.is_batch === true) {
    const { results, total_duration_seconds = null, error } = event
    return {
      results: shownResult(results),
      total_duration_seconds,
      ...(error !== null && { error: redact(error) }),
    }
  }
  const { status, summary, error, api_calls, duration_seconds, model, exit_reason } = event
  const entry = { task_index: 0, status, summary, error, api_calls, duration_seconds, model, exit_reason }
  return { results: shownResult([entry]), total_duration_seconds: duration_seconds }
}
