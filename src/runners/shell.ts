/** The goal is a shell command line. This file is both: the maker, for the host, and the runner, for the thread. */
import {
  defineRunner,
  type ProcessEnd,
  type RunnerReference,
  type RunnerResult,
  type SpawnedProcess,
} from '../runner.js'

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

const outputCharacters = 8_000_000
const errorTailCharacters = 2_000
const errorTailLines = 20

export default defineRunner<ShellRunnerOptions | null>(async (task, ctx) => {
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
  const output = collect(shell, 'stdout', outputCharacters, read)
  const errors = collect(shell, 'stderr', errorTailCharacters, read)
  const end = await shell.ended
  return resultOf(end, output(), errors(), ctx.signal)
})

/** Keeps the last `limit` characters of a stream. */
function collect(
  shell: SpawnedProcess,
  role: 'stdout' | 'stderr',
  limit: number,
  read: (text: string, role: 'stdout' | 'stderr') => void,
): () => string {
  let kept = ''
  let dropped = 0
  shell[role].setEncoding('utf8')
  shell[role].on('data', (text: string) => {
    read(text, role)
    kept += text
    if (kept.length <= 2 * limit) return
    dropped += kept.length - limit
    kept = kept.slice(-limit)
  })
  return () => {
    const tail = kept.slice(-limit)
    const missing = dropped + kept.length - tail.length
    return missing === 0 || role === 'stderr'
      ? tail
      : `[${missing} characters of earlier output were dropped]\n${tail}`
  }
}

function resultOf(end: ProcessEnd, output: string, errors: string, signal: AbortSignal): RunnerResult {
  const summary = output.trimEnd() || null
  if (signal.aborted) {
    return { status: 'interrupted', summary, error: String(signal.reason), exit_reason: 'interrupted' }
  }
  if (end.code === 0)
    return { status: 'completed', summary: summary ?? '(no output)', exit_reason: 'completed' }
  const tail = errors.trimEnd().split('\n').slice(-errorTailLines).join('\n')
  const what = end.error ?? `exit code ${end.code}`
  return { status: 'failed', summary, error: tail === '' ? what : `${what}\n${tail}`, exit_reason: 'error' }
}

function hostEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return Object.fromEntries(entries)
}
