/** What the options of `createDelegator` have to be. Numbers and words say their bounds where they are read. */
import { closestMatch } from 'leven'
import { shownValue } from '../core/shown-value.js'
import type { RunnerReference } from '../runner.js'
import type { DelegatorOptions } from './options.js'

interface Shape {
  readonly fits: (value: unknown) => boolean
  readonly expected: string
}

const readLater: Shape = { fits: (value) => value !== null, expected: 'left out or given' }
const method: Shape = { fits: (value) => typeof value === 'function', expected: 'a function' }
const flag: Shape = { fits: (value) => typeof value === 'boolean', expected: 'true or false' }
const folder: Shape = { fits: isText, expected: 'the path of a folder' }

const shapes: Readonly<Record<keyof DelegatorOptions, Shape>> = {
  maxUnits: readLater,
  maxConcurrentChildren: readLater,
  maxThreads: readLater,
  maxDepth: readLater,
  maxSharedThreads: readLater,
  capacityScope: readLater,
  ledger: { ...method, expected: 'a function that opens a ledger, such as `sqliteLedger(path)`' },
  adopt: flag,
  independentCompletions: flag,
  orchestratorEnabled: flag,
  onActivity: method,
  gate: method,
  stall: { fits: (value) => value === false || isObject(value), expected: 'thresholds, or false' },
  interruptGraceMs: readLater,
  childTimeoutSeconds: readLater,
  deadlineSeconds: readLater,
  maxIterations: readLater,
  maxSpawnsPerSession: readLater,
  budgets: { fits: isObject, expected: 'an object of bounds' },
  isolation: readLater,
  childMemoryMb: readLater,
  importTimeoutMs: readLater,
  runners: { fits: isObject, expected: 'an object of runners by name' },
  runner: { fits: (value) => typeof value === 'string' || isRunner(value), expected: 'a runner or its name' },
  transcripts: {
    fits: (value) => value === false || (isObject(value) && isText((value as { folder?: unknown }).folder)),
    expected: '`{ folder }`, or false',
  },
  spillFolder: folder,
  maxSummaryCharacters: readLater,
  maxUnitSummaryCharacters: readLater,
  logger: { fits: having('info', 'error', 'isLevelEnabled'), expected: 'a logger of pino' },
  clock: { fits: having('now', 'monotonicMs', 'after'), expected: 'a clock' },
  random: method,
  executor: { fits: having('run', 'close'), expected: 'an executor' },
}

/** A typo is at most this far from what was meant, letters. */
const farthestTypo = 3

/** @throws {TypeError} for the first option that is unknown or of another kind, naming it and what was given. */
export function checkShapes(options: unknown): void {
  if (!isObject(options)) throw new TypeError(`Expected options to be an object, got ${shownValue(options)}`)
  for (const [name, value] of Object.entries(options)) {
    if (!isKnown(name)) throw new TypeError(`Unknown option \`${name}\`${nearest(name)}`)
    const { fits, expected } = shapes[name]
    if (value !== undefined && !fits(value)) throw wrong(name, expected, value)
  }
  const { runners = {}, runner } = options as DelegatorOptions
  for (const [name, value] of Object.entries(runners)) {
    if (!isRunner(value)) throw wrong(`runners.${name}`, 'a reference or a function', value)
  }
  if (typeof runner !== 'string' || Object.hasOwn(runners, runner)) return
  throw wrong(
    'runner',
    `the name of a configured runner (${Object.keys(runners).join(', ') || 'none'})`,
    runner,
  )
}

/** A runner by reference, as far as can be seen without loading it. */
export function isReference(value: unknown): value is RunnerReference {
  return isObject(value) && isText((value as { readonly url?: unknown }).url)
}

function isRunner(value: unknown): boolean {
  return typeof value === 'function' || isReference(value)
}

function isKnown(name: string): name is keyof DelegatorOptions {
  return Object.hasOwn(shapes, name)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function having(...methods: readonly string[]): (value: unknown) => boolean {
  return (value) =>
    isObject(value) && methods.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}

function wrong(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`Expected \`${name}\` to be ${expected}, got ${shownValue(value)}`)
}

function nearest(name: string): string {
  const known = Object.keys(shapes)
  const match = closestMatch(name, known, { maxDistance: farthestTypo })
  return match === undefined ? `: known are ${known.join(', ')}` : `: did you mean \`${match}\`?`
}
