/** Requests in, answers out: bounded bodies, checked shapes, and one form for every refusal. */
import * as z from 'zod'
import type { Json, JsonObject } from '../runner.js'
import { Refused } from './refusal.js'

const maxBodyBytes = 1_048_576
const mostProblems = 5

/** @throws {Refused} too_large */
export async function textOf(request: Request): Promise<string> {
  if (request.body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early cancels the body.
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    if (bytes > maxBodyBytes)
      throw new Refused('too_large', `the body is longer than ${maxBodyBytes} bytes`, { limit: maxBodyBytes })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * A page may send other types to foreign servers without asking them first; JSON it may not.
 * @throws {Refused} media_type, too_large, invalid_json
 */
export async function jsonOf(request: Request): Promise<Json> {
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers.get('content-type') ?? ''))
    throw new Refused('media_type', 'the body must be of the Content-Type application/json')
  const text = await textOf(request)
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new Refused('invalid_json', 'invalid JSON')
  }
}

/** @throws {Refused} media_type, too_large, invalid_json, and invalid_request with `sentence` and what is wrong where */
export async function bodyOf<T>(request: Request, schema: z.ZodType<T>, sentence: string): Promise<T> {
  const found = schema.safeParse(await jsonOf(request))
  if (found.success) return found.data
  const problems = found.error.issues
    .slice(0, mostProblems)
    .map(({ path, message }) => `${path.length === 0 ? 'body' : path.map(String).join('.')}: ${message}`)
  throw new Refused('invalid_request', `${sentence} (${problems.join('; ')})`, { problems })
}

export function answer(status: number, body: Json, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  })
}

export function refusalAnswer(refused: Refused): Response {
  const { code, message, detail, status } = refused
  const body: JsonObject = { error: message, code, ...detail }
  const after = detail['retry_after']
  return answer(status, body, {
    ...(typeof after === 'number' && { 'retry-after': String(after) }),
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
  })
}

/** A whole number of the query string. @throws {Refused} invalid_request */
export function countIn(url: URL, name: string, byDefault: number, most: number): number {
  const text = url.searchParams.get(name)
  if (text === null) return byDefault
  if (!/^\d{1,15}$/.test(text) || Number(text) < 1)
    throw new Refused('invalid_request', `${name} must be a whole number from 1 up, got ${text.slice(0, 40)}`)
  return Math.min(Number(text), most)
}

/** Shapes that several routes have. */
export const field = {
  uuid: z
    .string('expected a UUID')
    .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, 'must be a valid UUID')
    .transform((id) => id.toLowerCase()),
  line: (most: number) => z.string('expected a text').max(most, `expected at most ${most} characters`),
  word: (most: number) =>
    z.string('expected a text').min(1, 'must not be empty').max(most, `expected at most ${most} characters`),
  count: (from: number, most: number) => {
    const expected = `expected a whole number from ${from} to ${most}`
    return z.number(expected).int(expected).min(from, expected).max(most, expected)
  },
  amount: z.number('expected a number').min(0, 'expected a number from 0 up'),
  json: z.custom<Json>((value) => value !== undefined, 'expected JSON'),
} as const
