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

export function port(given: string): number {
  const value = Number(given)
  if (/^\d{1,5}$/.test(given) && value <= 65_535) return value
  throw new InvalidArgumentError('Expected a whole number from 0 to 65535.')
}

export function names(given: string): string[] {
  return given
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

export function dollars(given: string): number {
  const value = Number(given)
  if (given.trim() !== '' && value >= 0.000001 && value <= 1e9) return value
  throw new InvalidArgumentError('Expected a number of dollars from 0.000001 to 1000000000.')
}

const secondsOf = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** How long ago (`90m`, `24h`, `7d`), or a date and time; in Unix seconds. */
export function pointInTime(given: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(given.trim()) ?? []
  if (count !== undefined)
    return Date.now() / 1000 - Number(count) * secondsOf[unit as keyof typeof secondsOf]
  // `Date.parse` takes a bare number for a year.
  const parsed = /^\d{4}-\d\d-\d\d/.test(given.trim()) ? Date.parse(given.trim()) / 1000 : Number.NaN
  if (Number.isFinite(parsed)) return parsed
  throw new InvalidArgumentError(
    'Expected how long ago (90m, 24h, 7d), or a date (2026-01-31, 2026-01-31T12:00).',
  )
}
