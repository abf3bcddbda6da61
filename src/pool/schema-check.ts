import { Worker } from 'node:worker_threads'
import type { JsonObject } from '../core/json.js'

/** No more than the smallest of those that will judge by it: what is too much for them is refused here. */
const limits = { maxOldGenerationSizeMb: 256, stackSizeMb: 1 }

/**
 * What is wrong with each of these schemas; null for one that is a schema. Found out in a thread of its own (P7), which
 * is ended after `withinMs`: then the answer is that it took too long. Never rejects.
 */
export function schemaProblems(
  schemas: readonly JsonObject[],
  withinMs: number,
): Promise<readonly (string | null)[]> {
  return new Promise((resolve) => {
    const all = (problem: string): void => resolve(schemas.map(() => problem))
    const thread = new Worker(new URL('schema-check-thread.js', import.meta.url), {
      workerData: schemas,
      execArgv: [],
      resourceLimits: limits,
    })
    const timer = setTimeout(() => {
      all(`it could not be checked within ${withinMs / 1000} s`)
      void thread.terminate()
    }, withinMs)
    thread.once('message', resolve)
    thread.once('error', (error) => all(error.message))
    thread.once('exit', () => {
      clearTimeout(timer)
      all('its check ended without an answer')
    })
  })
}
