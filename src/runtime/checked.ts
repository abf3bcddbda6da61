/** What is wrong with an argument is said before anything is admitted: the thing, the limit and the value. */
import { DelegationError, type ErrorCode } from '../core/errors.js'
import { isJsonObject, type Json, type JsonObject } from '../core/json.js'
import { kindOf, shownValue } from '../core/shown-value.js'
import { toPlain } from '../pool/plain-data.js'
import { wholeNumber } from './options.js'

const goalCharacters = 65_536
const contextCharacters = 1_048_576
/** Children of one batch: its event names each of them, and has to fit a conversation. */
const batchGoals = 10_000

/** @throws {DelegationError} OPTION_INVALID for what is no object: it has no options to read. */
export function checkCall(call: unknown): void {
  if (typeof call === 'object' && call !== null) return
  throw new DelegationError('OPTION_INVALID', { call: kindOf(call), expected: 'an object with the options' })
}

/** @throws {DelegationError} OPTION_INVALID */
export function checkFlag(name: string, value: unknown): void {
  if (typeof value === 'boolean') return
  throw new DelegationError('OPTION_INVALID', { [name]: shownValue(value), expected: 'true or false' })
}

/** @throws {DelegationError} OPTION_INVALID */
export function checkWord(name: string, value: unknown, known: readonly string[]): void {
  if (known.includes(value as string)) return
  throw new DelegationError('OPTION_INVALID', { [name]: shownValue(value), expected: known.join(' or ') })
}

/** A copy; null where there are none. @throws {DelegationError} OPTION_INVALID */
export function checkedNames(name: string, list: unknown): readonly string[] | null {
  if (list === undefined || list === null) return null
  if (!Array.isArray(list)) {
    throw new DelegationError('OPTION_INVALID', { [name]: kindOf(list), expected: 'a list of names' })
  }
  for (const [index, item] of (list as readonly unknown[]).entries()) {
    if (typeof item === 'string') continue
    throw new DelegationError('OPTION_INVALID', { [`${name}[${index}]`]: kindOf(item), expected: 'a name' })
  }
  return list.length === 0 ? null : [...(list as readonly string[])]
}

/** @throws {DelegationError} OPTION_INVALID for the first that is given and no string. */
export function checkTexts<Name extends string>(
  given: Readonly<Partial<Record<Name, unknown>>>,
  names: readonly Name[],
  where: string,
): void {
  for (const name of names) {
    const value = given[name]
    if (value === undefined || value === null || typeof value === 'string') continue
    throw new DelegationError('OPTION_INVALID', { [name]: kindOf(value) + where, expected: 'a string' })
  }
}

/** A copy: what the caller does to its own later does not reach the event. */
export function checkedMetadata(metadata: unknown): JsonObject {
  const copy = plainCopy('OPTION_INVALID', 'metadata', metadata)
  if (isJsonObject(copy)) return copy
  throw new DelegationError('OPTION_INVALID', { metadata: kindOf(metadata), expected: 'an object' })
}

/** Anything but white space, control characters, and what shows nothing, such as a zero width space. */
const somethingToSee = /[^\s\p{Cc}\p{Default_Ignorable_Code_Point}]/u

/** @throws {DelegationError} GOAL_MISSING, GOAL_BLANK, GOAL_TOO_LONG */
export function checkedGoal(goal: unknown, where: string): string {
  if (goal === undefined || goal === null) throw new DelegationError('GOAL_MISSING', { goal: `none${where}` })
  if (typeof goal !== 'string') throw new DelegationError('GOAL_MISSING', { goal: kindOf(goal) + where })
  if (!somethingToSee.test(goal))
    throw new DelegationError('GOAL_BLANK', { goal: JSON.stringify(goal) + where })
  return bounded(goal, goalCharacters, 'GOAL_TOO_LONG', where)
}

/** Asked before the list is walked. @throws {DelegationError} GOALS_TOO_MANY */
export function checkedWidth(goals: readonly unknown[]): void {
  if (goals.length <= batchGoals) return
  throw new DelegationError('GOALS_TOO_MANY', { goals: goals.length, at_most: batchGoals })
}

/** @throws {DelegationError} CONTEXT_TOO_LONG */
export function checkedContext(context: string | null, where: string): string | null {
  return context === null ? null : bounded(context, contextCharacters, 'CONTEXT_TOO_LONG', where)
}

function bounded(text: string, limit: number, code: ErrorCode, where: string): string {
  if (text.length <= limit) return text
  throw new DelegationError(code, { characters: `${text.length}${where}`, at_most: limit })
}

/** @throws {DelegationError} OPTION_INVALID */
export function checkedCount(name: string, value: unknown): number {
  try {
    return wholeNumber(name, value, 0)
  } catch (cause) {
    throw new DelegationError(
      'OPTION_INVALID',
      { [name]: given(value), expected: 'a whole number from 0 up' },
      cause,
    )
  }
}

/** @throws {DelegationError} OPTION_INVALID naming the option and the value given. */
export function checkedNumber(name: string, value: unknown): number {
  const problem = numberProblem(name, value)
  if (problem !== null) throw problem
  return value as number
}

/** A number stays one; whatever else came in its place is put into words. */
const given = (value: unknown): unknown => (typeof value === 'number' ? value : shownValue(value))

/** What is wrong with a number that may be anything from 0 up; null when nothing is. */
export function numberProblem(name: string, value: unknown): DelegationError | null {
  if (typeof value === 'number' && value >= 0) return null
  return new DelegationError('OPTION_INVALID', { [name]: given(value), expected: 'a number from 0 up' })
}

/** Plain data travels to a thread and fits a ledger. @throws {DelegationError} with `code` */
export function plainCopy(code: ErrorCode, what: string, value: unknown): Json {
  try {
    return toPlain(value, what, contextCharacters)
  } catch (cause) {
    throw new DelegationError(
      code,
      { [what]: cause instanceof Error ? cause.message : 'not plain data' },
      cause,
    )
  }
}
