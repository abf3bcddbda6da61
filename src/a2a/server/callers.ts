/** Who may call: a token each, and what is opened to them. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { RunnerInput } from '../../index.js'

export interface CallerOptions {
  /** What it sends as `Authorization: Bearer …`; at least 16 characters. */
  readonly token: string
  /** The only runner that its tasks are given to. */
  readonly runner: RunnerInput
  /** Its tasks at one time, from 1. @defaultValue all slots; where there are other callers, one fewer */
  readonly maxTasks?: number
  /** Its streams, and calls that wait, at one time, from 1. @defaultValue all; where there are other callers, half */
  readonly maxStreams?: number
  /** Signs its push notifications. @defaultValue the token of the push configuration, where it has one */
  readonly pushSecret?: string
}

export interface Caller extends CallerOptions {
  readonly name: string
}

export interface Callers {
  readonly all: readonly Caller[]
  /** Null for who sends no token, or none that is known. Takes as long for every token. */
  byAuthorization(header: string | undefined): Caller | null
  byName(name: string): Caller | undefined
}

/** A name is part of session keys. */
const callerName = /^[A-Za-z0-9_-]{1,64}$/
const leastTokenCharacters = 16

/** @throws {TypeError} naming the caller: a name that is none, a token that is short or that two have, a bound that is none. */
export function createCallers(given: Readonly<Record<string, CallerOptions>>): Callers {
  const all = Object.entries(given).map(([name, options]) => ({ ...options, name }))
  const digests = all.map((caller) => ({ caller, digest: digestOf(caller.token) }))
  for (const { name, token, maxTasks, maxStreams } of all) {
    if (!callerName.test(name))
      throw new TypeError(`Expected the name of a caller to match ${String(callerName)}, got '${name}'`)
    if (token.length < leastTokenCharacters)
      throw new TypeError(
        `Expected the token of caller '${name}' to have at least ${leastTokenCharacters} characters, got ${token.length}`,
      )
    for (const [option, value] of Object.entries({ maxTasks, maxStreams }))
      if (value !== undefined && !(Number.isInteger(value) && value >= 1))
        throw new TypeError(
          `Expected ${option} of caller '${name}' to be a whole number from 1 up, got ${String(value)}`,
        )
    const same = all.filter((other) => other.token === token)
    if (same.length > 1)
      throw new TypeError(
        `Expected each caller to have a token of its own; these share one: ${same.map((other) => other.name).join(', ')}`,
      )
  }
  if (all.length === 0) throw new TypeError('Expected `callers` to name at least one caller')
  return {
    all,
    byAuthorization(header) {
      const [, token = ''] = /^bearer +(\S+) *$/i.exec(header ?? '') ?? []
      const sent = digestOf(token)
      // All are compared, so that how long it takes tells nothing of which one was nearly right.
      const found = digests.filter(({ digest }) => timingSafeEqual(digest, sent))
      return found[0]?.caller ?? null
    },
    byName: (name) => all.find((caller) => caller.name === name),
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
