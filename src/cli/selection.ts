import { UsageError } from './usage-error.js'

/** Whose: commander's options. */
export interface SelectionOptions {
  readonly session?: string
  readonly all?: boolean
}

/**
 * Without proof nothing is taken: a command names a session, or says that it means all of them.
 * @throws {UsageError} for neither, both, or a key that is empty.
 */
export function selectionOf({ session, all }: SelectionOptions): { sessionKey: string } | { all: true } {
  if ((session !== undefined) === (all === true)) {
    throw new UsageError('give --session KEY, or --all for those of every session')
  }
  if (session === '')
    throw new UsageError('an empty key is the session of nobody; --all takes those without one, too')
  return session === undefined ? { all: true } : { sessionKey: session }
}
