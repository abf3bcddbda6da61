/** Values of an event's fields, as the layout prints them. An event may come from a foreign host: none of these throws. */
import { isJsonObject, type Json, type JsonObject } from './json.js'

export type Field = Json | undefined

/** Python's truth: null, false, 0, and everything empty are false. */
export function isTruthy(value: Field): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (isJsonObject(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

/** Any value in a line of text, `None`, `True` and `False` as the original prints them. */
export function fieldText(value: Field): string {
  if (value === null || value === undefined) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  try {
    const shown: unknown = JSON.stringify(value)
    return typeof shown === 'string' ? shown : '?'
  } catch {
    // A cycle or a bigint: no JSON, so there is nothing to show of it.
    return '?'
  }
}

export function textOr(value: Field, otherwise: string): string {
  return isTruthy(value) ? fieldText(value) : otherwise
}

export function listOf(value: Field): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

/** The position of a task in its call, from 0. */
export function taskIndex(entry: JsonObject): number {
  const index = entry['task_index']
  return typeof index === 'number' && !Number.isNaN(index) ? index : 0
}
