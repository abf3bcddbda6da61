import type { Json, JsonObject } from '../runner.js'
import { leftOutMark } from './shown-results.js'

/** What one answer of a tool may have, characters of JSON: as much as one event has in a turn. */
export const answerCharacters = 48_000
const shortestText = 200
const mostEntries = 256
const headShare = 0.75

export interface BoundedAnswer {
  readonly data: JsonObject
  /** What the model does not see; null where it sees everything. */
  readonly leftOut: string | null
}

/** Cuts the longest texts first; only where that does not do, lists and objects keep their first entries alone. */
export function boundedAnswer(data: JsonObject): BoundedAnswer {
  if (JSON.stringify(data).length <= answerCharacters) return { data, leftOut: null }
  let bounds = { text: answerCharacters, entries: Number.POSITIVE_INFINITY }
  for (;;) {
    const left = { characters: 0, entries: 0 }
    const cut = cutTo(data, bounds, left) as JsonObject
    if (JSON.stringify(cut).length <= answerCharacters || bounds.entries === 1)
      return { data: cut, leftOut: saidOf(left) }
    bounds = narrower(bounds)
  }
}

interface Bounds {
  readonly text: number
  readonly entries: number
}

function narrower({ text, entries }: Bounds): Bounds {
  if (text > shortestText) return { text: Math.max(shortestText, Math.floor(text * 0.7)), entries }
  return { text, entries: Math.max(1, Math.min(mostEntries, Math.floor(entries / 2))) }
}

function cutTo(value: Json, bounds: Bounds, left: { characters: number; entries: number }): Json {
  if (typeof value === 'string') return cutText(value, bounds.text, left)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const kept = (value as readonly Json[]).slice(0, bounds.entries)
    left.entries += value.length - kept.length
    return kept.map((inner) => cutTo(inner, bounds, left))
  }
  const all = Object.entries(value)
  const kept = all.slice(0, bounds.entries)
  left.entries += all.length - kept.length
  return Object.fromEntries(
    kept.map(([key, inner]) => [
      key.slice(0, shortestText),
      inner === undefined ? null : cutTo(inner, bounds, left),
    ]),
  )
}

function cutText(text: string, most: number, left: { characters: number }): string {
  if (text.length <= most) return text
  const headLength = Math.floor(most * headShare)
  // A cut may have split a character in two.
  const head = text.slice(0, headLength).replace(/[\uD800-\uDBFF]$/, '')
  const tail = text.slice(headLength - most).replace(/^[\uDC00-\uDFFF]/, '')
  const missing = text.length - head.length - tail.length
  left.characters += missing
  return `${head}\n${leftOutMark(missing)}\n${tail}`
}

function saidOf({ characters, entries }: { characters: number; entries: number }): string {
  const parts = [
    ...(characters > 0 ? [`${characters} characters of long texts`] : []),
    ...(entries > 0 ? [`${entries} entries of long lists`] : []),
  ]
  return `Left out of this answer: ${parts.join(' and ')}.`
}
