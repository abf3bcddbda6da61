/** A reader from data: which field of the program's JSON is which field of the result. */
import type { JsonObject } from '../core/json.js'
import { numberAt, sessionAt, textAt, valueAt, type Reader } from './command-reading.js'

/** Where a value is: a dotted path, or one that counts only in objects that fit `where`. */
export type CommandField =
  | string
  | {
      readonly path: string
      /** Paths and what they must hold: `{ type: 'result' }`. */
      readonly where?: Readonly<Record<string, string | number | boolean>>
    }

/** Of JSON lines, the last one that has a field decides it. */
export interface CommandMap {
  /** A program whose output has none of this has not said what it did, and failed. */
  readonly summary: CommandField
  /** Text that says what went wrong. Found: the work failed, whatever the exit code. */
  readonly error?: CommandField
  /** `true` there: the work failed, whatever the exit code. */
  readonly failed?: CommandField
  readonly api_calls?: CommandField
  readonly model?: CommandField
  readonly session_id?: CommandField
  readonly input_tokens?: CommandField
  readonly output_tokens?: CommandField
  readonly cost_usd?: CommandField
  /** Name of the tool that is running, for those who watch. */
  readonly tool?: CommandField
}

export const mapFields = [
  ...['summary', 'error', 'failed', 'api_calls', 'model', 'session_id'],
  ...['input_tokens', 'output_tokens', 'cost_usd', 'tool'],
] as const

const usageFields = ['input_tokens', 'output_tokens', 'cost_usd'] as const

export function mappedReader(map: CommandMap): Reader {
  return (event, reading, show) => {
    const path = (field: CommandField | undefined): string => pathIn(event, field)
    const summary = textAt(event, path(map.summary))
    if (summary !== null) {
      reading.summary = summary
      reading.isComplete = true
    }
    reading.error = textAt(event, path(map.error)) ?? reading.error
    if (valueAt(event, path(map.failed)) === true) reading.error ??= summary ?? 'it reported a failure'
    reading.apiCalls = numberAt(event, path(map.api_calls)) ?? reading.apiCalls
    reading.model = textAt(event, path(map.model)) ?? reading.model
    reading.sessionId = sessionAt(event, path(map.session_id)) ?? reading.sessionId
    reading.tool = textAt(event, path(map.tool)) ?? reading.tool
    for (const name of usageFields) {
      const count = numberAt(event, path(map[name]))
      if (count !== null) reading.usage = { ...reading.usage, [name]: count }
    }
    show(JSON.stringify(event))
  }
}

/** A path that leads nowhere for a field that is not mapped, or not meant for this object. */
function pathIn(event: JsonObject, field: CommandField | undefined): string {
  if (field === undefined) return ''
  if (typeof field === 'string') return field
  const fits = Object.entries(field.where ?? {}).every(([path, value]) => valueAt(event, path) === value)
  return fits ? field.path : ''
}
