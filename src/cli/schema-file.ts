import { readFile } from 'node:fs/promises'
import type { JsonObject } from '../runner.js'
import { UsageError } from './usage-error.js'

/** What it holds is looked at by whoever dispatches with it. @throws {UsageError} for a file that holds no JSON. */
export async function schemaIn(path: string): Promise<JsonObject> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as JsonObject
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new UsageError(`--output-schema: ${JSON.stringify(path)} cannot be read as JSON: ${why}`)
  }
}
