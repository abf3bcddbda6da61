import { plain } from './problems.js'

/** Hermes' environment variables (spec 6): what the configuration file does not say. */
export interface EnvironmentNumbers {
  readonly maxUnits?: number
  readonly maxConcurrentChildren?: number
  readonly childTimeoutSeconds?: number
}

interface Variable {
  readonly option: keyof EnvironmentNumbers
  readonly name: string
  readonly from: number
  readonly isWhole: boolean
}

const variables: readonly Variable[] = [
  { option: 'maxUnits', name: 'DELEGATION_MAX_ASYNC_CHILDREN', from: 0, isWhole: true },
  { option: 'maxConcurrentChildren', name: 'DELEGATION_MAX_CONCURRENT_CHILDREN', from: 1, isWhole: true },
  { option: 'childTimeoutSeconds', name: 'DELEGATION_CHILD_TIMEOUT_SECONDS', from: 0, isWhole: false },
]

const shownCharacters = 60

function shown(given: string): string {
  const text = plain(given)
  return JSON.stringify(text.length > shownCharacters ? `${text.slice(0, shownCharacters)}...` : text)
}

/** A value that is no number, or out of bounds, is ignored, as in the original; a warning says so. */
export function environmentNumbers(
  env: Readonly<Record<string, string | undefined>>,
  warnings: string[],
): EnvironmentNumbers {
  const numbers: Partial<Record<keyof EnvironmentNumbers, number>> = {}
  for (const { option, name, from, isWhole } of variables) {
    const given = env[name]?.trim()
    if (given === undefined || given === '') continue
    const value = Number(given)
    const isGood = value >= from && (isWhole ? Number.isSafeInteger(value) : Number.isFinite(value))
    if (isGood) numbers[option] = value
    else
      warnings.push(
        `${name} is ignored: expected ${isWhole ? 'a whole number' : 'a number'} from ${from} up, got ${shown(given)}`,
      )
  }
  return numbers
}
