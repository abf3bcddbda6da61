/** What a program's output says of its work: one shape for all programs. */
import { isJsonObject, type Json, type JsonObject } from '../core/json.js'

/** What is known so far. A reader fills it in; what no output said stays `null`. */
export interface Reading {
  summary: string | null
  /** Set: the work failed, whatever the exit code. */
  error: string | null
  /** True once the program said that it was done. */
  isComplete: boolean
  exitReason: string | null
  apiCalls: number | null
  model: string | null
  sessionId: string | null
  usage: JsonObject | null
  /** The tool that is running. */
  tool: string | null
}

/** Adds what one JSON value of the output says. `show` puts a line into the child's transcript. */
export type Reader = (event: JsonObject, reading: Reading, show: (text: string) => void) => void

export function emptyReading(): Reading {
  return {
    summary: null,
    error: null,
    isComplete: false,
    exitReason: null,
    apiCalls: null,
    model: null,
    sessionId: null,
    usage: null,
    tool: null,
  }
}

/** The value at a dotted path (`message.content.0.text`); `undefined` where there is none. */
export function valueAt(value: Json | undefined, path: string): Json | undefined {
  let found: unknown = value
  for (const key of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined
    found = (found as Readonly<Record<string, unknown>>)[key]
  }
  return found as Json
}

export function textAt(value: Json | undefined, path: string): string | null {
  const found = valueAt(value, path)
  return typeof found === 'string' && found !== '' ? found : null
}

export function numberAt(value: Json | undefined, path: string): number | null {
  const found = valueAt(value, path)
  return typeof found === 'number' ? found : null
}

/** The objects of a list; none where there is no list. */
export function objectsAt(value: Json | undefined, path: string): readonly JsonObject[] {
  const found = valueAt(value, path)
  return Array.isArray(found) ? (found as readonly Json[]).filter(isJsonObject) : []
}

/** What may become an argument later: an id, and nothing that a program could take for an option. */
export function isSessionId(text: string): boolean {
  return /^\w[\w.:/-]{0,199}$/.test(text)
}

export function sessionAt(value: Json | undefined, path: string): string | null {
  const found = textAt(value, path)
  return found !== null && isSessionId(found) ? found : null
}
