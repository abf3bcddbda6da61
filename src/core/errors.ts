/**
 * The error catalogue. Callers test `code`, never the message (docs/errors.md explains each; a test holds the two
 * together). A refusal is data and a child's failure is an event: neither is ever thrown.
 */
const messages = {
  CLOSED: 'the delegator is closed',
  GOAL_MISSING: 'a delegation needs a goal',
  GOAL_BLANK: 'a goal must say something',
  GOAL_TOO_LONG: 'the goal is over its bound',
  GOALS_NOT_A_LIST: 'goals must be a list of strings',
  GOALS_EMPTY: 'a batch whose children run one by one needs at least one goal',
  GOALS_TOO_MANY: 'a batch has a bound on its width',
  GROUPS_TOO_MANY: 'a call has a bound on its units',
  TASKS_NOT_A_LIST: 'tasks must be a list of objects with a goal',
  CONTEXT_TOO_LONG: 'the context is over its bound',
  OPTION_INVALID: 'an option of the call is out of its range',
  SCHEMA_INVALID: 'the output schema cannot be used as it is',
  SCHEMA_TOO_LARGE: 'the output schema is over its bound',
  RUNNER_MISSING: 'no runner was given and none is configured as the default',
  RUNNER_UNKNOWN: 'no runner of that name is configured',
  RUNNER_INVALID: 'the runner cannot be used as it is',
  PERMISSION_DENIED: 'the permissions do not allow this delegation',
  UNKNOWN_DELEGATION: 'no delegation of that id is known',
  NOT_ORCHESTRATOR: 'only a child whose role is orchestrator may delegate',
  DEPTH_LIMIT: 'units may not be nested any deeper',
  DELEGATION_LIVE: 'the delegation still runs, so nothing can go on from it',
  WAIT_TIMEOUT: 'the delegation had not ended in the time given',
  EVENT_INVALID: 'an event cannot be published as it is',
  LEDGER_CLOSED: 'the ledger is closed',
  LEDGER_DUPLICATE: 'an event of that id is in the ledger already',
  LEDGER_UNKNOWN_OWNER: 'no owner of that id has joined the ledger',
  LEDGER_NO_DRIVER:
    'a ledger in a file needs Node 22.13 or later, or the optional package better-sqlite3 to be installed',
  LEDGER_PATH: 'the ledger cannot be opened at this path',
  LEDGER_READ_ONLY: 'the ledger cannot be written',
  LEDGER_CORRUPT: 'the ledger is damaged, or no database at all',
  LEDGER_FOREIGN: 'the file is a database of another program',
  LEDGER_NEWER: 'the ledger was written by a newer major version',
  LEDGER_BUSY: 'another process keeps the ledger locked',
  LEDGER_FULL: 'there is no room left for the ledger',
  LEDGER_IO: 'the ledger cannot be read or written',
  MEMORY_TOO_LONG: 'a memory is over its bound',
  MEMORY_FULL: 'a memory has a bound on what it holds',
  CONFIG_UNREADABLE: 'the configuration cannot be read',
  CONFIG_INVALID: 'the configuration is not valid',
} as const

/** One of the catalogue's codes. */
export type ErrorCode = keyof typeof messages

/** Every code of the catalogue, for the test that holds it to its page. */
export const errorCodes: readonly string[] = Object.keys(messages)

/** The caller asked for what cannot be done. `detail` names the thing, the limit and the value, or lists the `problems`. */
export class DelegationError extends Error {
  override readonly name = 'DelegationError'
  readonly code: ErrorCode
  readonly detail: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, detail: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(describe(code, detail), cause === undefined ? undefined : { cause })
    this.code = code
    this.detail = detail
  }
}

/** Facts stand behind the sentence in parentheses, `problems` below it, a line each. */
function describe(code: ErrorCode, { problems, ...facts }: Readonly<Record<string, unknown>>): string {
  const told = Object.entries(facts).map(([key, value]) => `${key}: ${String(value)}`)
  const sentence = told.length === 0 ? messages[code] : `${messages[code]} (${told.join(', ')})`
  return Array.isArray(problems) ? [`${sentence}:`, ...problems.map(String)].join('\n  ') : sentence
}

/** A bug of ours. The runtime reports it as a `fault` and goes on where it can; it never ends the host. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** @throws {InvariantError} with `claim` in it, when the claim does not hold. */
export function assert(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new InvariantError(`broken invariant: ${claim}`)
}

/** For the end of a `switch` over a union: a case that was forgotten does not compile. */
export function assertNever(value: never): never {
  throw new InvariantError(`unexpected case: ${JSON.stringify(value)}`)
}
