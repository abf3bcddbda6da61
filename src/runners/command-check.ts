/** What is wrong with the options of a command, in words: each problem is one line, with the key it is at. */
import { isJsonObject } from '../core/json.js'
import { agentNames } from './agent-presets.js'
import { mapFields } from './command-map.js'
import type { CommandRunnerOptions } from './command-options.js'
import { isSessionId } from './command-reading.js'
import { namesIn, placeholders } from './command-template.js'

type Check = (value: unknown, at: string) => readonly string[]

const optionChecks: Readonly<Record<keyof CommandRunnerOptions, Check>> = {
  preset: oneOf(agentNames),
  args: listOf(plainText),
  argv: template,
  stdin: withPlaceholders,
  large: fields({ argv: template, stdin: withPlaceholders }),
  env: fields({ pass: listOf(variableName), set: entries(variableName, plainText) }),
  cwd: text,
  worktree: (value, at) =>
    typeof value === 'boolean' ? [] : oneOf(['true', 'false', 'detached'])(value, at),
  output: oneOf(['text', 'json', 'jsonl']),
  map: mapping,
  exitCodes: entries(exitCode, text),
  session: (value, at) =>
    unless(typeof value === 'string' && isSessionId(value), value, at, 'the id of a session'),
  killAfterMs: (value, at) =>
    unless(Number.isInteger(value) && (value as number) >= 0, value, at, 'a whole number from 0 up'),
}

/** None for options that can be used. */
export function commandProblems(options: unknown): readonly string[] {
  const problems = fields(optionChecks)(options, '')
  if (problems.length > 0 || !isJsonObject(options)) return problems
  const { preset, argv, args, map, output } = options as CommandRunnerOptions
  if (preset === undefined && argv === undefined)
    return ['argv: expected a program and its arguments, got nothing']
  if (args !== undefined && (preset === undefined || argv !== undefined))
    return ['args: expected nothing here (it belongs to `preset`, and `argv` has its own)']
  const isJson = output === 'json' || output === 'jsonl'
  if (isJson && map === undefined && preset === undefined)
    return ['map: expected where the JSON has its `summary`, got nothing']
  if (map !== undefined && !isJson && (preset === undefined || preset === 'hermes'))
    return ['map: expected nothing here (text has no fields; `output` may be json or jsonl)']
  return []
}

function unless(isFine: boolean, value: unknown, at: string, expected: string): readonly string[] {
  return isFine ? [] : [`${at || '(all of it)'}: expected ${expected}, got ${shown(value)}`]
}

/** No value is quoted that might be a secret: templates and names are, contents are not. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'string') return value === '' ? 'an empty text' : `text of ${value.length} characters`
  return isJsonObject(value) ? 'a mapping' : JSON.stringify(value)
}

function text(value: unknown, at: string): readonly string[] {
  return unless(typeof value === 'string' && value !== '', value, at, 'text')
}

/** What can be handed to a process at all. */
function plainText(value: unknown, at: string): readonly string[] {
  return unless(typeof value === 'string' && !value.includes('\0'), value, at, 'text without NUL characters')
}

function variableName(value: unknown, at: string): readonly string[] {
  const isName = typeof value === 'string' && /^[^=\0]+$/.test(value)
  return unless(isName, value, at, 'the name of a variable')
}

function exitCode(value: unknown, at: string): readonly string[] {
  const isCode = typeof value === 'string' && /^\d{1,3}$/.test(value) && Number(value) < 256
  return unless(isCode, value, at, 'an exit code from 0 to 255')
}

function oneOf(words: readonly string[]): Check {
  return (value, at) => {
    if (typeof value === 'string' && words.includes(value)) return []
    const given = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : shown(value)
    return [`${at}: expected one of ${words.join(', ')}, got ${given}`]
  }
}

function listOf(check: Check): Check {
  return (value, at) =>
    Array.isArray(value)
      ? value.flatMap((item, index) => check(item, `${at}.${index}`))
      : unless(false, value, at, 'a list')
}

function entries(checkKey: Check, checkValue: Check): Check {
  return (value, at) =>
    isJsonObject(value)
      ? Object.entries(value).flatMap(([key, item]) => [
          ...checkKey(key, `${at}.${key}`),
          ...checkValue(item, `${at}.${key}`),
        ])
      : unless(false, value, at, 'a mapping')
}

/** A mapping with these keys and no others. A key without a value is as good as none. */
function fields(checks: Readonly<Record<string, Check>>): Check {
  return (value, at) => {
    if (!isJsonObject(value)) return unless(false, value, at, 'a mapping')
    return Object.entries(value).flatMap(([key, item]) => {
      const path = at === '' ? key : `${at}.${key}`
      const check = Object.hasOwn(checks, key) ? checks[key] : undefined
      if (check === undefined) return [`${path}: unknown key; known here: ${Object.keys(checks).join(', ')}`]
      return item === undefined ? [] : check(item, path)
    })
  }
}

function withPlaceholders(value: unknown, at: string): readonly string[] {
  if (typeof value !== 'string' || value.includes('\0')) return plainText(value, at)
  return namesIn(value)
    .filter((name) => !(placeholders as readonly string[]).includes(name))
    .map((name) => {
      const known = placeholders.map((placeholder) => `{${placeholder}}`).join(', ')
      return `${at}: unknown placeholder {${name}}; known: ${known}; write {{${name}}} for the text itself`
    })
}

/** The program is fixed: a task says what is done, never what is run. */
function template(value: unknown, at: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0)
    return unless(false, value, at, 'a list of a program and its arguments')
  const [program, ...rest] = value as readonly unknown[]
  const isFixed = typeof program === 'string' && program !== '' && namesIn(program).length === 0
  return [
    ...unless(isFixed, program, `${at}.0`, 'the name or path of a program, without placeholders'),
    ...rest.flatMap((part, index) => {
      const check = Array.isArray(part) ? listOf(withPlaceholders) : withPlaceholders
      return check(part, `${at}.${index + 1}`)
    }),
  ]
}

function mapping(value: unknown, at: string): readonly string[] {
  const checks = Object.fromEntries(mapFields.map((name) => [name, field]))
  const problems = fields(checks)(value, at)
  const hasSummary = isJsonObject(value) && value['summary'] !== undefined
  return problems.length > 0 || hasSummary ? problems : text(undefined, `${at}.summary`)
}

function field(value: unknown, at: string): readonly string[] {
  if (typeof value === 'string') return text(value, at)
  const problems = fields({ path: text, where: entries(text, anyScalar) })(value, at)
  const hasPath = isJsonObject(value) && value['path'] !== undefined
  return problems.length > 0 || hasPath ? problems : text(undefined, `${at}.path`)
}

function anyScalar(value: unknown, at: string): readonly string[] {
  return unless(
    ['string', 'number', 'boolean'].includes(typeof value),
    value,
    at,
    'text, a number, true or false',
  )
}
