/** What models really send: JSON inside strings, numbers inside strings, keys that nobody asked for. */
import * as z from 'zod'
import { isJsonObject, type Json, type JsonObject } from '../runner.js'
import { ToolProblem } from './tool-spec.js'

interface PropertySchema {
  readonly type?: string
  readonly enum?: readonly string[]
}

interface ObjectSchema {
  readonly properties: Readonly<Record<string, PropertySchema>>
  readonly required?: readonly string[]
}

/** The properties that the schema declares, and the names of what else was given. */
export interface ReadInput {
  readonly values: JsonObject
  readonly ignored: readonly string[]
}

/** Made once for each: it takes longer than most calls. */
const schemas = new WeakMap<z.ZodObject, JsonObject>()

const theArguments = 'The arguments'

export function jsonSchemaOf(input: z.ZodObject): JsonObject {
  const known = schemas.get(input)
  if (known !== undefined) return known
  const schema = z.toJSONSchema(input, { target: 'draft-7', io: 'input' })
  delete schema.$schema
  const made = schema as unknown as JsonObject
  schemas.set(input, made)
  return made
}

/**
 * Each declared property in its declared type; null means absent, as it does to models.
 * @param where what the input is called in an error
 * @throws {ToolProblem} naming the property, what it must be and what it is
 */
export function readInput(input: z.ZodObject, given: unknown, where = theArguments): ReadInput {
  const { properties, required = [] } = jsonSchemaOf(input) as unknown as ObjectSchema
  const parsed = inputObject(given, where)
  const values: Record<string, Json> = {}
  const ignored: string[] = []
  for (const [name, value] of Object.entries(parsed)) {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (property === undefined) ignored.push(name)
    else if (value !== null && value !== undefined) values[name] = readProperty(name, property, value)
  }
  for (const name of required) {
    if (values[name] === undefined || values[name] === '') throw new ToolProblem(`'${name}' is required.`)
  }
  return { values, ignored }
}

/** @throws {ToolProblem} */
export function inputObject(given: unknown, where = theArguments): JsonObject {
  const parsed = typeof given === 'string' ? parseJson(given, where) : (given ?? {})
  if (!isJsonObject(parsed)) throw new ToolProblem(`${where} must be an object, got ${kindOf(parsed)}.`)
  return parsed
}

function readProperty(name: string, { type, enum: words }: PropertySchema, given: Json): Json {
  const value = converted(name, type, given)
  if (type !== undefined && kindOf(value) !== type)
    throw new ToolProblem(`'${name}' must be ${articleFor(type)} ${type}, got ${kindOf(value)}.`)
  if (words === undefined) return value
  const said = typeof value === 'string' ? value.trim().toLowerCase() : null
  const word = words.find((known) => known.toLowerCase() === said)
  if (word !== undefined) return word
  const known = words.filter((each) => each !== '').join(', ')
  throw new ToolProblem(`'${name}' must be one of ${known}, got ${JSON.stringify(value).slice(0, 80)}.`)
}

function converted(name: string, type: string | undefined, value: Json): Json {
  if (typeof value === 'string' && (type === 'array' || type === 'object'))
    return parseJson(value, `'${name}'`)
  if (typeof value === 'string' && type === 'boolean' && /^(true|false)$/i.test(value.trim()))
    return value.trim().toLowerCase() === 'true'
  if (typeof value === 'string' && type === 'number' && value.trim() !== '' && Number.isFinite(Number(value)))
    return Number(value)
  if (type === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return String(value)
  return value
}

function parseJson(text: string, where: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new ToolProblem(
      `${where}: given as a string that is no JSON: ${JSON.stringify(text.slice(0, 80))}.`,
    )
  }
}

export function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function articleFor(type: string): string {
  return /^[aio]/.test(type) ? 'an' : 'a'
}
