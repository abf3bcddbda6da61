import type { Runner, RunnerReference } from '../runner.js'
import { runnerError } from './error-detail.js'
import type { ErrorDetail } from '../core/event.js'

/** Loads the function a reference names. Never rejects: what is wrong with the module is data with a code. */
export async function loadRunner(
  reference: RunnerReference,
  withinMs: number,
): Promise<{ readonly runner: Runner } | { readonly error: ErrorDetail }> {
  const name = reference.export ?? 'default'
  let namespace: Readonly<Record<string, unknown>>
  try {
    const imported = await within<unknown>(withinMs, import(reference.url))
    if (imported === null) {
      const message = `the runner module ${reference.url} was still importing after ${withinMs} ms`
      return { error: runnerError('RUNNER_IMPORT_TIMEOUT', message) }
    }
    namespace = imported as Readonly<Record<string, unknown>>
  } catch (cause) {
    return { error: loadFailure(reference.url, cause) }
  }
  const runner = namespace[name]
  if (typeof runner === 'function') return { runner: runner as Runner }
  const exported = Object.keys(namespace).join(', ') || 'nothing'
  const message = `${reference.url} has no function as its export ${JSON.stringify(name)} (it exports ${exported})`
  return { error: runnerError('RUNNER_NO_EXPORT', message) }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), ms)))
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function loadFailure(url: string, cause: unknown): ErrorDetail {
  const failure = runnerError('RUNNER_IMPORT_FAILED', '', cause)
  const code = failure.cause?.code
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?tsx?$/.test(url)) {
    const hint = `${url} is TypeScript: compile it, or start the host with a loader (node --import tsx)`
    return { ...failure, code: 'RUNNER_IS_TYPESCRIPT', message: hint }
  }
  const why = failure.cause?.message ?? ''
  // "Cannot find module X imported from Y": only X is missing.
  const [missing = ''] = why.split(' imported from ')
  const isMissing =
    (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') && missing.includes(tail(url))
  return isMissing
    ? { ...failure, code: 'RUNNER_NOT_FOUND', message: `there is no runner module at ${url}` }
    : { ...failure, message: `the runner module ${url} failed while it was imported: ${why}` }
}

/** The last part of the address: Node names a missing file by its path, a missing package by its name. */
function tail(url: string): string {
  return decodeURIComponent(url.slice(url.lastIndexOf('/') + 1))
}
