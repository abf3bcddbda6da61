import * as z from 'zod'
import { programEnvironment, type RunnerContext, type SpawnedProcess } from '../runner.js'
import type { AgentSettings } from './agent-options.js'
import { defineTool, ToolError, type AgentTool } from './agent-tool.js'
import { toolResultCharacters } from './bounded-text.js'
import { denialOf } from './dangerous-commands.js'

const maxSeconds = 3_600
/** A longer text belongs into a file. */
const commandCharacters = 20_000
/** Between the polite signal and the one that cannot be ignored. */
const politeMs = 2_000

/**
 * What a command has as its parent: not the host, but a shell that waits for it, and knows no more than it does. It hears
 * the polite signal too, and leaves it to the command, which does not inherit that.
 */
const parentScript = `trap : TERM INT HUP
/bin/sh -c "$1"
exit $?`

/** Nobody is there to answer a question, or to leave a pager. */
const withoutTerminal = {
  GIT_TERMINAL_PROMPT: '0',
  GIT_PAGER: 'cat',
  PAGER: 'cat',
  DEBIAN_FRONTEND: 'noninteractive',
  TERM: 'dumb',
}

/** The toolset `terminal`: commands of a POSIX shell, in a process group that ends with the child. */
export function terminalTools(
  spawn: RunnerContext['spawn'],
  workdir: string,
  { env, timeoutSeconds, autoApprove, deny }: AgentSettings['terminal'],
): readonly AgentTool[] {
  const policy = { autoApprove, deny: deny.map((source) => new RegExp(source, 'i')) }
  const environment = { ...programEnvironment(env, process.env), ...withoutTerminal, ...env.set }
  const tool = defineTool({
    name: 'run_command',
    description: `Runs a shell command in the work folder, without a terminal and without input, and shows what it prints and how it exits. Dangerous commands are denied. What it leaves in the background is ended.`,
    schema: z.object({
      command: z.string().min(1).max(commandCharacters),
      timeout_seconds: z.coerce.number().min(1).max(maxSeconds).default(timeoutSeconds),
    }),
    async run({ command, timeout_seconds: seconds }, signal) {
      if (command.includes('\0')) throw new ToolError('a command holds no NUL character')
      const denial = denialOf(command, policy)
      if (denial !== null)
        throw new ToolError(
          `denied: ${denial}. Nobody can approve it here: do it in another way, or leave it and say so`,
        )
      const shell = spawn(['/bin/sh', '-c', parentScript, 'sh', command], { cwd: workdir, env: environment })
      const output = collected(shell)
      const stop = stopAfter(shell, seconds * 1_000, signal)
      const { code, error } = await shell.ended
      stop.release()
      signal.throwIfAborted()
      if (error !== undefined) throw new ToolError(`the command could not be started: ${error}`)
      if (stop.isLate()) throw new ToolError(`it was ended after ${seconds} s\n${output()}`)
      const text = output()
      if (code !== 0) throw new ToolError(`exit code ${code}\n${text}`)
      return text === '' ? '(no output)' : text
    },
  })
  return [tool]
}

/** What it prints, in the order in which it came: the head and the tail of it. */
function collected({ stdout, stderr }: SpawnedProcess): () => string {
  const half = toolResultCharacters / 2
  let head = ''
  let tail = ''
  let characters = 0
  for (const stream of [stdout, stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      characters += text.length
      const toHead = text.slice(0, half - head.length)
      head += toHead
      tail = (tail + text.slice(toHead.length)).slice(-half)
    })
  }
  return () => {
    const gone = characters - head.length - tail.length
    return (gone > 0 ? `${head}\n[... ${gone} characters left out ...]\n${tail}` : head + tail).trimEnd()
  }
}

function stopAfter(
  shell: SpawnedProcess,
  ms: number,
  signal: AbortSignal,
): { release(): void; isLate(): boolean } {
  let isLate = false
  let kill: NodeJS.Timeout | undefined
  const stop = (): void => {
    shell.signal('SIGTERM')
    kill ??= setTimeout(() => shell.signal('SIGKILL'), politeMs)
  }
  const late = setTimeout(() => {
    isLate = true
    stop()
  }, ms)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  return {
    isLate: () => isLate,
    release() {
      clearTimeout(late)
      clearTimeout(kill)
      signal.removeEventListener('abort', stop)
    },
  }
}
