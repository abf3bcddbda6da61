/** What may be asked of an output, and what is wrong with it before anything is admitted. */
import { createHash } from 'node:crypto'
import { DelegationError } from '../core/errors.js'
import { isJsonObject, type JsonObject } from '../core/json.js'
import { kindOf } from '../core/shown-value.js'
import { schemaProblems } from '../pool/schema-check.js'
import type { Runner, RunnerReference } from '../runner.js'
import { plainCopy } from './checked.js'

const schemaCharacters = 65_536
/** What is no schema is found within milliseconds; one that takes this long would take as long for each child, ms. */
const checkMs = 10_000
/** Of schemas that were found to be good: most are asked for many times. */
const mostKnown = 1_000
const known = new Set<string>()

/** A copy. @throws {DelegationError} SCHEMA_INVALID, SCHEMA_TOO_LARGE */
export function checkedSchema(schema: unknown, where: string): JsonObject | undefined {
  if (schema === undefined) return undefined
  if (!isJsonObject(schema))
    throw new DelegationError('SCHEMA_INVALID', { schema: kindOf(schema) + where, expected: 'an object' })
  const copy = plainCopy('SCHEMA_INVALID', `schema${where}`, schema) as JsonObject
  const characters = JSON.stringify(copy).length
  if (characters <= schemaCharacters) return copy
  throw new DelegationError('SCHEMA_TOO_LARGE', {
    characters: `${characters}${where}`,
    at_most: schemaCharacters,
  })
}

/** A plain function runs on the host's own loop, where no output is judged (P7). @throws {DelegationError} OPTION_INVALID */
export function withSchema<Child extends { readonly runner: RunnerReference | Runner }>(
  child: Child,
  outputSchema: JsonObject | undefined,
): Child & { readonly outputSchema?: JsonObject } {
  if (outputSchema === undefined) return child
  if (typeof child.runner !== 'function') return { ...child, outputSchema }
  const expected = 'a runner by reference: what a plain function returns is not judged'
  throw new DelegationError('OPTION_INVALID', { outputSchema: 'given', runner: 'a function', expected })
}

/**
 * Null where nothing has to be looked at: no schema, or only such as were seen before.
 * Rejects with SCHEMA_INVALID, naming the task.
 */
export function unseenSchemas(
  children: readonly { readonly outputSchema?: JsonObject }[],
): Promise<void> | null {
  const unseen: Unseen = new Map()
  // Children that share one have it as the same object: it is looked at once, however many there are.
  const met = new Set<JsonObject>()
  for (const [index, { outputSchema: schema }] of children.entries()) {
    if (schema === undefined || met.has(schema)) continue
    met.add(schema)
    const digest = createHash('sha256').update(JSON.stringify(schema)).digest('base64')
    if (!known.has(digest) && !unseen.has(digest)) unseen.set(digest, { schema, index })
  }
  return unseen.size === 0 ? null : look(unseen)
}

/** By digest, with the first task that has it. */
type Unseen = Map<string, { readonly schema: JsonObject; readonly index: number }>

async function look(unseen: Unseen): Promise<void> {
  const found = [...unseen.values()]
  const problems = await schemaProblems(
    found.map(({ schema }) => schema),
    checkMs,
  )
  const at = problems.findIndex((problem) => problem !== null)
  if (at !== -1)
    throw new DelegationError('SCHEMA_INVALID', { task: found[at]?.index, problem: problems[at] })
  if (known.size > mostKnown) known.clear()
  for (const digest of unseen.keys()) known.add(digest)
}
