import { runnerError } from './error-detail.js'
import type { ChildEnd } from './executor.js'
import { lost, outOfMemory } from './thread-end.js'

/** Why the host killed a process. `answered`: its child is over. `silent`: it closed the pipe to its host. */
export type KillCause = 'answered' | 'terminated' | 'import' | 'memory' | 'silent'

interface ProcessExit {
  readonly killed: KillCause | null
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of what it wrote to its raw standard error. */
  readonly errors: string
}

/** How a child ended whose process exited before it answered. */
export function endOfProcess({ killed, code, signal, errors }: ProcessExit, tooLate: string): ChildEnd {
  if (killed === 'terminated') return lost('terminated', null)
  if (killed === 'import') return { kind: 'threw', error: runnerError('RUNNER_IMPORT_TIMEOUT', tooLate) }
  if (killed === 'memory') return outOfMemory('the process of the child grew larger than it may')
  const said = errors.trim() || undefined
  if (signal !== null && errors.includes('JavaScript heap out of memory'))
    return outOfMemory('the child reached the memory limit of its process', said)
  if (code !== null) {
    const message = `the child ended its process with process.exit(${code})`
    return { kind: 'lost', cause: 'exit', error: runnerError('CHILD_EXITED', message, said) }
  }
  const how =
    killed === 'silent' && signal === 'SIGKILL' ? 'closed the channel to its host' : `was ended by ${signal}`
  const message = `the process of the child ${how}`
  return { kind: 'lost', cause: 'crash', error: runnerError('CHILD_CRASHED', message, said) }
}
