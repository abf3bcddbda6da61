import type { ErrorDetail } from '../core/event.js'

const causeDepth = 4
const messageCharacters = 8_000
const stackCharacters = 8_000

/**
 * Whatever was thrown, as plain data: name, message, code, stack and cause survive. Never throws, whatever getters the
 * thrown thing has.
 */
export function errorDetail(thrown: unknown, depth = causeDepth): ErrorDetail {
  if (typeof thrown !== 'object' || thrown === null) return { name: 'Error', message: printed(thrown) }
  const name = text(read(thrown, 'name')) ?? text(read(read(thrown, 'constructor'), 'name')) ?? 'Error'
  const message = text(read(thrown, 'message')) ?? printed(thrown)
  const code = read(thrown, 'code')
  const stack = text(read(thrown, 'stack'))
  const cause = read(thrown, 'cause')
  return {
    name: name.slice(0, 200),
    message: message.slice(0, messageCharacters),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(stack !== undefined && { stack: stack.slice(0, stackCharacters) }),
    ...(cause !== undefined && cause !== null && depth > 0 && { cause: errorDetail(cause, depth - 1) }),
  }
}

/** An error of the runtime's own, thrown inside a child. `code` says why. */
export class RunnerError extends Error {
  override readonly name = 'RunnerError'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** An error to throw, of one that is data. */
export function errorFrom({ name, message, code }: ErrorDetail): Error {
  return Object.assign(new Error(message), { name, ...(code !== undefined && { code }) })
}

/** An error of the runtime's own about a runner, with a code that callers can test. */
export function runnerError(code: string, message: string, cause?: unknown): ErrorDetail {
  return { name: 'RunnerError', code, message, ...(cause !== undefined && { cause: errorDetail(cause) }) }
}

function read(from: unknown, key: string): unknown {
  try {
    return (from as Record<string, unknown> | null | undefined)?.[key]
  } catch {
    // A getter of the thrown thing threw: the field counts as absent.
    return undefined
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function printed(value: unknown): string {
  try {
    return String(value).slice(0, messageCharacters)
  } catch {
    // toString itself threw.
    return 'a value that cannot be printed'
  }
}
