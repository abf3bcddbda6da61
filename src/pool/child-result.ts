import { createHash } from 'node:crypto'
import { closeSync, lstatSync, mkdirSync, openSync, rmSync, writeSync, type Stats } from 'node:fs'
import { lstat, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { headAndTail, withoutHalf } from '../core/summary-budget.js'
import { isJsonObject, type JsonObject } from '../core/json.js'
import { runnerError } from './error-detail.js'
import type { ChildEnd, ChildJob } from './executor.js'
import { toPlain } from './plain-data.js'

/** Bound of one child's result, characters (DESIGN 3). */
const resultCharacters = 1_048_576
/** Without a budget, this much of a summary that could not travel stays. */
const unboundedSummaryCharacters = 65_536
const writeCharacters = 1_048_576

/** Keeps the whole text in a file of its own and returns its path. */
export type Spill = (text: string) => string

/** How much of a summary goes on, and where the whole of a longer one is kept. */
export interface SummaryLimit {
  /** 0 for no bound but that of all results. */
  readonly characters: number
  readonly spill: Spill
}

/**
 * Turns what a runner returned into plain data, where it was returned: nothing that is too large, cyclic or alive ever
 * reaches the host. A falsy value is a success without a summary (R21); a truthy non-object is a crash (R25).
 */
export function endOf(returned: unknown, limit: SummaryLimit): ChildEnd {
  if (!returned) return { kind: 'returned', result: {} }
  if (typeof returned !== 'object' || Array.isArray(returned)) {
    const given = Array.isArray(returned) ? 'an array' : `a ${typeof returned}`
    const error = runnerError(
      'RESULT_NOT_OBJECT',
      `the runner returned ${given} where an object was expected`,
    )
    return { kind: 'threw', error }
  }
  const result = toPlain(withinBudget(returned, limit), 'result', resultCharacters)
  return { kind: 'returned', result: isJsonObject(result) ? result : {} }
}

function withinBudget(returned: object, { characters, spill }: SummaryLimit): object {
  const { summary } = returned as { readonly summary?: unknown }
  if (typeof summary !== 'string') return returned
  const mayTravel = summary.length <= resultCharacters / 2
  if (mayTravel && (characters === 0 || summary.length <= characters)) return returned
  const path = spill(summary)
  const fields: JsonObject = {
    summary: headAndTail(summary, characters === 0 ? unboundedSummaryCharacters : characters, path),
    summary_truncated: true,
    summary_full_path: path,
    summary_full_characters: summary.length,
    summary_full_sha256: createHash('sha256').update(summary).digest('hex'),
  }
  return { ...returned, ...fields }
}

/** Where the whole of a child's summary goes. */
export function spillPath({ task, spillDirectory }: Pick<ChildJob, 'task' | 'spillDirectory'>): string {
  return join(spillDirectory, `${task.delegationId}-${task.taskIndex}.txt`)
}

/**
 * For a thread: writes a text to a file that this user alone can read.
 * @throws with code SPILL_FAILED when the folder belongs to somebody else or cannot be written.
 */
export function spillAtOnce(path: string, text: string): void {
  try {
    const directory = dirname(path)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    assertOwnFolder(directory, lstatSync(directory))
    // An earlier run of the same child may have left one; a link that somebody put there is not followed.
    rmSync(path, { force: true })
    const file = openSync(path, 'wx', 0o600)
    try {
      for (const part of partsOf(text)) writeSync(file, part)
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw spillFailed(path, cause)
  }
}

/** For the host's own loop, which waits for no disk (P11). Rejects as `spillAtOnce` throws. */
export async function spillInBackground(path: string, text: string): Promise<void> {
  try {
    const directory = dirname(path)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    assertOwnFolder(directory, await lstat(directory))
    await rm(path, { force: true })
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    throw spillFailed(path, cause)
  }
}

function assertOwnFolder(directory: string, folder: Stats): void {
  const isMine = process.getuid === undefined || folder.uid === process.getuid()
  if (!folder.isDirectory() || !isMine) throw new Error(`${directory} is not a folder of this user`)
}

function* partsOf(text: string): Generator<string> {
  for (let rest = 0; rest < text.length;) {
    const part = withoutHalf(text.slice(rest, rest + writeCharacters))
    yield part
    rest += part.length
  }
}

function spillFailed(path: string, cause: unknown): Error {
  return Object.assign(new Error(`the summary is too long and could not be kept in ${path}`, { cause }), {
    name: 'RunnerError',
    code: 'SPILL_FAILED',
  })
}
