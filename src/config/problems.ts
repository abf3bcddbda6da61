/** What is wrong with a configuration, in words: one line per problem, and no secret in any of them. */
import { closestMatch } from 'leven'
import type * as z from 'zod'
import { knownKeysAt } from './schema.js'

const shownCharacters = 60
const farthestTypo = 3
const secretKey = /key|token|secret|passw|auth|credential|cookie/i
const secretValue = /^(?:sk-|gh[a-z]_|xox|AKIA|eyJ|Bearer )|^[^\s/\\.]{20,}$/

/** `input` is the value that was checked: what was given is looked up in it. */
export function problemLines(input: unknown, issues: readonly z.core.$ZodIssue[]): string[] {
  return issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `${keyPath([...issue.path, key])}: unknown key${nearest(key, issue.path)}`)
      : [`${keyPath(issue.path)}: expected ${issue.message}, got ${shown(input, issue.path)}`],
  )
}

/** `; did you mean \`x\`?` for a name that is nearly one of those, else nothing. */
export function suggestion(name: string, known: readonly string[]): string {
  // Of a short name, three letters off is another name.
  const maxDistance = Math.min(farthestTypo, Math.floor(name.length / 2))
  const match = closestMatch(name, known, { maxDistance })
  return match === undefined || match === '' ? '' : `; did you mean \`${match}\`?`
}

function nearest(key: string, path: readonly PropertyKey[]): string {
  const known = knownKeysAt(path)
  return suggestion(key, known) || `; known here: ${known.join(', ')}`
}

function keyPath(path: readonly PropertyKey[]): string {
  return path.length === 0 ? '(the whole file)' : path.map((key) => plain(String(key))).join('.')
}

function shown(input: unknown, path: readonly PropertyKey[]): string {
  let value = input
  for (const key of path) {
    value =
      typeof value === 'object' && value !== null
        ? (value as Readonly<Record<PropertyKey, unknown>>)[key]
        : undefined
  }
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object') {
    const keys = plain(Object.keys(value).join(', '))
    return keys === '' ? 'an empty mapping' : `a mapping of ${keys}`.slice(0, shownCharacters)
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string') return typeof value
  const isSecret = path.some((key) => secretKey.test(String(key))) || secretValue.test(value)
  return isSecret
    ? `text of ${value.length} characters`
    : JSON.stringify(plain(value)).slice(0, shownCharacters)
}

/** Keys and values come from a file: they are shown on a terminal, and must not steer it. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '')
}
