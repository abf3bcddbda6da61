/**
 * JSON Schema, by ajv. Never loaded by the host's own thread, nor by a worker whose task has no schema: a schema, and
 * the patterns in it, may be as hostile as what they judge.
 */
import { runInNewContext } from 'node:vm'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Json, JsonObject } from '../core/json.js'

/** How long a schema may take to be compiled and to judge a value, ms: a pattern may well take for ever. */
const judgingMs = 5_000
/** How long is spent on finding further errors, once there is one, ms. */
const collectingMs = 100
const mostErrors = 10
const errorCharacters = 300
const problemCharacters = 1_000

const drafts: readonly (readonly [named: RegExp, draft: typeof Ajv | typeof Ajv2020])[] = [
  [/^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/, Ajv2020],
  [/^https?:\/\/json-schema\.org\/draft-07\/schema#?$/, Ajv],
]

/** None for a value that fits. `isLate`: it took too long to tell, and would again. */
export interface Judgement {
  readonly errors: readonly string[]
  readonly isLate: boolean
}

/** Why nothing could ever be judged by this schema; null when it is a schema. Takes as long as it takes. */
export function schemaProblem(schema: JsonObject): string | null {
  try {
    compiled(schema, { validateSchema: true })
    return null
  } catch (error) {
    return messageOf(error).slice(0, problemCharacters)
  }
}

/** Never throws. */
export function judge(schema: JsonObject, value: Json): Judgement {
  try {
    const [first] = within(judgingMs, () => errorsOf(compiled(schema), value))
    if (first === undefined) return { errors: [], isLate: false }
    return { errors: further(schema, value) ?? [first], isLate: false }
  } catch (error) {
    return isTimeout(error)
      ? { errors: [`it could not be judged within ${judgingMs / 1000} s`], isLate: true }
      : { errors: [messageOf(error).slice(0, errorCharacters)], isLate: false }
  }
}

/** All errors at once tell more. There may be millions of them, so that they have a time limit of their own. */
function further(schema: JsonObject, value: Json): readonly string[] | null {
  try {
    return within(collectingMs, () => errorsOf(compiled(schema, { allErrors: true }), value))
  } catch {
    // Then the first one has to do.
    return null
  }
}

/** @throws what is wrong with the schema. A reference that leads out of it is not followed, and wrong. */
function compiled(
  { $schema: named, ...schema }: JsonObject,
  { validateSchema = false, allErrors = false } = {},
): ValidateFunction {
  const [, Draft] = drafts.find(([name]) => typeof named === 'string' && name.test(named)) ?? []
  if (named !== undefined && Draft === undefined)
    throw new Error(`$schema ${JSON.stringify(named)} is neither draft 2020-12 nor draft-07`)
  const ajv = new (Draft ?? Ajv2020)({
    allErrors,
    validateSchema,
    // A keyword that it does not know says nothing, as the standard has it; so does a format.
    strict: false,
    validateFormats: false,
    // Else a schema grows with each reference to a part of it.
    inlineRefs: false,
    // `required: ['constructor']` is not met by every object.
    ownProperties: true,
    logger: false,
  })
  const validate = ajv.compile(schema)
  // Its answer would be a promise, which is true of everything.
  if ('$async' in validate) throw new Error('$async is not supported')
  return validate
}

function errorsOf(validate: ValidateFunction, value: Json): readonly string[] {
  if (validate(value)) return []
  return (validate.errors ?? []).slice(0, mostErrors).map(errorText)
}

function errorText({ instancePath, message = 'does not fit', params }: ErrorObject): string {
  const allowed: unknown = params['allowedValues'] ?? params['allowedValue'] ?? params['additionalProperty']
  const detail = allowed === undefined ? '' : ` (${JSON.stringify(allowed)})`
  return `${instancePath || '(all of it)'} ${message}${detail}`.slice(0, errorCharacters)
}

/** Ends even a pattern that is being matched. @throws what `run` throws, or that it took too long. */
function within<T>(timeout: number, run: () => T): T {
  return runInNewContext('run()', { run }, { timeout }) as T
}

function isTimeout(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
