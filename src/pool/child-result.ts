import { closeSync, lstatSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isJsonObject, type JsonObject } from '../core/json.js'
import { runnerError } from './error-detail.js'
import type { ChildEnd } from './executor.js'
import { toPlain } from './plain-data.js'

/** Bound of one child's result, characters (DESIGN 3). */
const resultCharacters = 1_048_576
/** What stays of a spilled summary. The rest is in the file. */
const keptSummaryCharacters = 65_536
const writeCharacters = 1_048_576

/** Writes the whole text to a file of its own and returns its path. */
export type Spill = (text: string) => string

/**
 * Turns what a runner returned into plain data, where it was returned: nothing that is too large, cyclic or alive ever
 * reaches the host. A falsy value is a success without a summary (R21); a truthy non-object is a crash (R25).
 */
export function endOf(returned: unknown, spill: Spill | null): ChildEnd {
  if (!returned) return { kind: 'returned', result: {} }
  if (typeof returned !== 'object' || Array.isArray(returned)) {
    const given = Array.isArray(returned) ? 'an array' : `a ${typeof returned}`
    const error = runnerError(
      'RESULT_NOT_OBJECT',
      `the runner returned ${given} where an object was expected`,
    )
    return { kind: 'threw', error }
  }
  const result = toPlain(spilled(returned, spill), 'result', resultCharacters)
  return { kind: 'returned', result: isJsonObject(result) ? result : {} }
}

function spilled(returned: object, spill: Spill | null): object {
  const { summary } = returned as { readonly summary?: unknown }
  if (spill === null || typeof summary !== 'string' || summary.length <= resultCharacters / 2) return returned
  const fields: JsonObject = {
    summary: wholeCharacters(summary.slice(0, keptSummaryCharacters)),
    summary_truncated: true,
    summary_full_path: spill(summary),
  }
  return { ...returned, ...fields }
}

/**
 * Writes spilled texts below `directory`, readable by this user alone.
 * @throws with code SPILL_FAILED when the folder belongs to somebody else or cannot be written.
 */
export function fileSpill(directory: string, name: string): Spill {
  return (text) => {
    const path = join(directory, name)
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const folder = lstatSync(directory)
      const mine = process.getuid === undefined || folder.uid === process.getuid()
      if (!folder.isDirectory() || !mine) throw new Error(`${directory} is not a folder of this user`)
      const file = openSync(path, 'wx', 0o600)
      try {
        for (let rest = 0; rest < text.length;) {
          const part = wholeCharacters(text.slice(rest, rest + writeCharacters))
          writeSync(file, part)
          rest += part.length
        }
      } finally {
        closeSync(file)
      }
    } catch (cause) {
      throw Object.assign(new Error(`the summary is too long and could not be kept in ${path}`, { cause }), {
        name: 'RunnerError',
        code: 'SPILL_FAILED',
      })
    }
    return path
  }
}

/** A cut may have split a character in two: then its first half goes with the second. */
function wholeCharacters(cut: string): string {
  return cut.length > 1 && /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut
}
