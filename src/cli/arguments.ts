/** What options and arguments may say. What is wrong with one is told by commander, behind the option's name. */
import { InvalidArgumentError } from 'commander'

export function seconds(given: string): number {
  const value = Number(given)
  if (given.trim() !== '' && Number.isFinite(value) && value >= 0) return value
  throw new InvalidArgumentError('Expected a number of seconds from 0 up.')
}

export function countFromOne(given: string): number {
  const value = Number(given)
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new InvalidArgumentError('Expected a whole number from 1 up.')
}

export function names(given: string): string[] {
  return given
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
