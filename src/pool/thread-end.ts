import { errorDetail, runnerError } from './error-detail.js'
import type { ChildEnd } from './executor.js'

type LostCause = Extract<ChildEnd, { readonly kind: 'lost' }>['cause']

/** The child's thread went away under it. */
export function lost(cause: LostCause, error: unknown): ChildEnd {
  const detail =
    error === null ? runnerError('THREAD_TERMINATED', 'the child was stopped by force') : errorDetail(error)
  return { kind: 'lost', cause, error: detail }
}

/** Why a thread takes no more children. */
export type Leaving = 'retired' | 'terminated' | 'import' | 'memory'

export function outOfMemory(what: string, cause?: unknown): ChildEnd {
  const error = runnerError('CHILD_OUT_OF_MEMORY', `${what} (delegation.child_memory_mb)`, cause)
  return { kind: 'lost', cause: 'memory', error }
}

interface ExitFacts {
  readonly leaving: Leaving | null
  readonly failure: Error | null
}

/** How a child ended whose thread exited with `code` before it answered. */
export function endByExit(
  { leaving, failure }: ExitFacts,
  code: number,
  child: { readonly job: { readonly runner: { readonly url: string } } },
  importTimeoutMs: number,
): ChildEnd {
  if (failure !== null && (failure as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return outOfMemory('the child reached the memory limit of its thread', failure)
  }
  if (leaving === 'memory') return outOfMemory('the child held more memory outside of its heap than it may')
  if (leaving === 'import') {
    const message = `the runner module ${child.job.runner.url} blocked its thread for ${importTimeoutMs} ms while it was imported`
    return { kind: 'threw', error: runnerError('RUNNER_IMPORT_TIMEOUT', message) }
  }
  if (failure !== null) return lost('crash', failure)
  if (leaving === 'terminated') return lost('terminated', null)
  const message = `the child ended its thread with process.exit(${code})`
  return { kind: 'lost', cause: 'exit', error: runnerError('CHILD_EXITED', message) }
}
