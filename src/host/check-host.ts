import { DelegationError } from '../core/errors.js'
import { shownValue } from '../core/shown-value.js'
import type { AttachHostOptions } from './attach-host.js'

/** @throws {DelegationError} OPTION_INVALID for the first option that is none. */
export function checkHost(options: AttachHostOptions): void {
  const given: Readonly<Record<string, unknown>> = { ...options }
  const { sessionKey, owns, coalesce } = given
  for (const name of ['isIdle', 'startTurn']) check(name, given[name], 'function')
  for (const name of ['owns', 'resolveSession'])
    if (given[name] !== undefined) check(name, given[name], 'function')
  if (sessionKey !== undefined) check('sessionKey', sessionKey, 'string')
  if (coalesce !== undefined) check('coalesce', coalesce, 'boolean')
  if (sessionKey !== undefined && owns !== undefined)
    throw new DelegationError('OPTION_INVALID', { given: 'sessionKey and owns', expected: 'one of them' })
  checkRange('maxTurnCharacters', given['maxTurnCharacters'], 10_000, 100_000_000)
  checkRange('startTimeoutSeconds', given['startTimeoutSeconds'], 1, 86_400)
}

function check(name: string, value: unknown, expected: 'function' | 'string' | 'boolean'): void {
  if (typeof value !== expected)
    throw new DelegationError('OPTION_INVALID', { [name]: shownValue(value), expected: `a ${expected}` })
}

function checkRange(name: string, value: unknown, from: number, to: number): void {
  if (value === undefined || (typeof value === 'number' && value >= from && value <= to)) return
  throw new DelegationError('OPTION_INVALID', {
    [name]: shownValue(value),
    expected: `a number from ${from} to ${to}`,
  })
}
