/** The goal is a shell command line. This file is both: the maker, for the host, and the runner, for the thread. */
import {
  defineRunner,
  type ProcessEnd,
  type RunnerReference,
  type RunnerResult,
  type SpawnedProcess,
} from '../runner.js'
import { createTail, errorTailCharacters, failureOf, outputCharacters, summaryOf, type Tail } from './tail.js'

export type ShellRunnerOptions = {
  /** @defaultValue the host's working folder */
  readonly cwd?: string
  /** Added to the environment of the host. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Runs each goal by `/bin/sh -c`, in a process group of its own that dies with the child, its thread and the host.
 * Standard output becomes the summary; the exit code and the tail of standard error become the error.
 */
export function shellRunner(options: ShellRunnerOptions = {}): RunnerReference {
  return { url: import.meta.url, options }
}

export default defineRunner<ShellRunnerOptions | null>(async (task, ctx) => {
  if (process.platform === 'win32')
    return { status: 'failed', summary: null, error: noShell, exit_reason: 'error' }
  const { cwd, env } = ctx.options ?? {}
  const shell = ctx.spawn(['/bin/sh', '-c', task.goal], {
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env: { ...hostEnvironment(), ...env } }),
  })
  const stop = (): void => shell.signal('SIGTERM')
  ctx.signal.addEventListener('abort', stop, { once: true })
  if (ctx.signal.aborted) stop()
  let characters = 0
  const read = (text: string, role: 'stdout' | 'stderr'): void => {
    process[role].write(text)
    characters += text.length
    ctx.progress({ output_characters: characters })
  }
  const output = collect(shell, 'stdout', createTail(outputCharacters), read)
  const errors = collect(shell, 'stderr', createTail(errorTailCharacters), read)
  const end = await shell.ended
  return resultOf(end, summaryOf(output), errors.text(), ctx.signal)
})

const noShell = 'the shell runner needs a POSIX shell, and Windows has none: use a command runner instead'
/** As a shell says SIGKILL. */
const killedCode = 137

/** Keeps the end of a stream. */
function collect(
  shell: SpawnedProcess,
  role: 'stdout' | 'stderr',
  tail: Tail,
  read: (text: string, role: 'stdout' | 'stderr') => void,
): Tail {
  shell[role].setEncoding('utf8')
  shell[role].on('data', (text: string) => {
    read(text, role)
    tail.add(text)
  })
  return tail
}

function resultOf(
  end: ProcessEnd,
  summary: string | null,
  errors: string,
  signal: AbortSignal,
): RunnerResult {
  if (signal.aborted) {
    const error = `${String(signal.reason)}${end.code === killedCode ? ' (it did not end by itself and was killed)' : ''}`
    return { status: 'interrupted', summary, error, exit_reason: 'interrupted' }
  }
  if (end.code === 0)
    return { status: 'completed', summary: summary ?? '(no output)', exit_reason: 'completed' }
  return { status: 'failed', summary, error: failureOf(end, errors), exit_reason: 'error' }
}

function hostEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return Object.fromEntries(entries)
}
