/** Which tasks of a wide batch a turn shows one by one. Pure. */
import { isDone, isBatch, sortedResults } from './format.js'
import { leastShare } from './summary-budget.js'
import type { JsonObject } from './json.js'

export interface ShownTasks {
  /** In the order they are printed. */
  readonly results: readonly JsonObject[]
  /** Of the whole batch. */
  readonly count: number
  /** Says how many are left out, and where they are; null when none is. */
  readonly footer: string | null
}

/**
 * As many as can have a share of `characters` that says something, those that failed first: a reader has to know of
 * them. The others are counted.
 */
export function shownTasks(event: JsonObject, characters: number, id: string): ShownTasks {
  const results = isBatch(event) ? sortedResults(event) : []
  const count = results.length
  const most = Math.max(1, Math.floor(characters / leastShare))
  if (count <= most) return { results, count, footer: null }
  const failed = results.filter((entry) => !isDone(entry))
  const done = results.filter(isDone)
  const left = { failed: failed.slice(most), done: done.slice(Math.max(0, most - failed.length)) }
  const gone = new Set([...left.failed, ...left.done])
  const footer =
    `(… ${gone.size} of ${count} tasks are not shown here: ${left.done.length} were completed, ` +
    `${left.failed.length} were not; their results can be had by the delegation id ${id} …)`
  return { results: results.filter((entry) => !gone.has(entry)), count, footer }
}
