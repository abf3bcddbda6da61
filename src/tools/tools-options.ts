/** What the options of `createTools` have to be. */
import { DelegationError } from '../index.js'
import { isJsonObject } from '../runner.js'
import { kindOf } from './read-input.js'
import type { ToolsOptions } from './tools.js'

interface Shape {
  readonly fits: (value: unknown) => boolean
  readonly expected: string
}

const having =
  (...methods: readonly string[]) =>
  (value: unknown): boolean =>
    typeof value === 'object' &&
    value !== null &&
    methods.every((method) => typeof (value as Readonly<Record<string, unknown>>)[method] === 'function')

const isText = (value: unknown): boolean => typeof value === 'string'
const peerMethods = ['list', 'self', 'delegate', 'delegateAsync', 'status', 'sendToUser'] as const

const shapes: Readonly<Record<keyof ToolsOptions, Shape>> = {
  delegator: {
    fits: having('dispatchBatch', 'wait', 'list', 'get'),
    expected: 'what `createDelegator` made',
  },
  sessionKey: {
    fits: (value) => isText(value) || typeof value === 'function',
    expected: 'a text, or a function that gives one',
  },
  onRefusal: { fits: (value) => value === 'reject' || value === 'inline', expected: "'reject' or 'inline'" },
  acceptsLaterResults: { fits: (value) => typeof value === 'boolean', expected: 'true or false' },
  dispatchNote: { fits: isText, expected: 'a text' },
  more: { fits: (value) => Array.isArray(value) && value.every(isSpec), expected: 'a list of tools' },
  child: {
    fits: (value) =>
      having('delegate')(value) &&
      isJsonObject(value) &&
      Number.isInteger(value['depth']) &&
      Number(value['depth']) >= 1,
    expected: '`{ depth, delegate }`, with a depth from 1 up',
  },
  peers: { fits: having(...peerMethods), expected: `an object with ${peerMethods.join(', ')}` },
  memory: {
    fits: (value) =>
      isJsonObject(value) &&
      having('commit', 'recall')(value['store']) &&
      ['string', 'undefined'].includes(typeof value['team']),
    expected: '`{ store, team, permissions }`',
  },
}

function isSpec(value: unknown): boolean {
  if (!having('short', 'run')(value) || !isJsonObject(value)) return false
  return isText(value['name']) && isText(value['section']) && typeof value['input'] === 'object'
}

/** @throws {DelegationError} OPTION_INVALID */
export function checkToolsOptions(options: ToolsOptions, taken: readonly string[]): void {
  for (const [name, { fits, expected }] of Object.entries(shapes)) {
    const value: unknown = options[name as keyof ToolsOptions]
    // A key that was to be given and is not there must not end in the one that all such hosts share.
    const isLeftOut = value === undefined && !(name === 'sessionKey' && Object.hasOwn(options, name))
    if (name === 'delegator' ? fits(value) : isLeftOut || fits(value)) continue
    const given = isText(value) ? JSON.stringify(value).slice(0, 80) : kindOf(value)
    throw new DelegationError('OPTION_INVALID', { option: name, given, expected })
  }
  const known = new Set(taken)
  for (const { name } of options.more ?? []) {
    if (known.has(name))
      throw new DelegationError('OPTION_INVALID', {
        option: 'more',
        given: `a second tool of the name ${JSON.stringify(name.slice(0, 80))}`,
        expected: 'names that no other tool has',
      })
    known.add(name)
  }
}
