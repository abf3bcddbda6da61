/** One program, from its start to its result. */
import type { ProcessEnd, RunnerContext, RunnerResult, SpawnedProcess } from '../runner.js'
import type { Command } from './command-options.js'
import {
  createJsonOutput,
  createLinesOutput,
  createTextOutput,
  readErrors,
  readText,
  type Output,
  type OutputEnd,
} from './command-output.js'
import { emptyReading, isSessionId, type Reading } from './command-reading.js'
import { failureOf } from './tail.js'

/** A command that is ready to start. */
export interface Program {
  readonly command: Command
  readonly args: readonly string[]
  /** What it reads; null for nothing. */
  readonly input: string | null
  readonly workdir: string
  readonly env: Readonly<Record<string, string>>
}

/** Work that could not be begun. */
export function failed(error: string): RunnerResult {
  return { status: 'failed', summary: null, error, exit_reason: 'error' }
}

/** Work that was stopped, with what there is of it. */
export function interrupted(signal: AbortSignal, fields: RunnerResult = {}): RunnerResult {
  return { ...fields, status: 'interrupted', error: String(signal.reason), exit_reason: 'interrupted' }
}

/** Runs it, shows what it prints while it does, and reads its result. */
export async function runProgram(program: Program, ctx: RunnerContext): Promise<RunnerResult> {
  const { command, args, input, workdir, env } = program
  const reading = emptyReading()
  const child = ctx.spawn(args, { cwd: workdir, env, stdin: input !== null })
  const release = stopWith(ctx.signal, child, command.killAfterMs)
  const output = outputOf(command, reading, noting(reading, ctx))
  let characters = 0
  readText(child.stdout, (text) => {
    characters += text.length
    output.add(text)
    ctx.progress({ output_characters: characters })
  })
  const errors = readErrors(child.stderr)
  child.stdin?.end(input ?? '')
  const end = await child.ended
  release()
  return resultOf(command, end, { ...read(command, output, errors(), reading), errors: errors() }, ctx.signal)
}

/** Asks the program to end with the child, and kills its group when it does not. Returns how to stop doing so. */
function stopWith(signal: AbortSignal, child: SpawnedProcess, killAfterMs: number): () => void {
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => {
    child.signal('SIGTERM')
    timer = setTimeout(() => child.signal('SIGKILL'), killAfterMs)
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  return () => {
    signal.removeEventListener('abort', stop)
    clearTimeout(timer)
  }
}

function outputOf({ output, reader }: Command, reading: Reading, onRead: () => void): Output {
  if (output === 'text' || reader === null) return createTextOutput()
  return (output === 'json' ? createJsonOutput : createLinesOutput)(reader, reading, onRead)
}

/** Tells how far it is, and keeps its session: another run of this child could go on with that. */
function noting(reading: Reading, ctx: RunnerContext): () => void {
  let kept: string | null = null
  return () => {
    const { apiCalls, tool, sessionId, usage } = reading
    ctx.progress({
      ...(apiCalls !== null && { api_calls: apiCalls }),
      ...(usage !== null && { usage }),
      current_tool: tool,
    })
    if (sessionId === kept) return
    kept = sessionId
    ctx.checkpoint({ session_id: sessionId })
  }
}

interface Found {
  readonly reading: Reading
  readonly problem: string | null
}

/** What came of the output. Of text, all is the summary, except for the line that names the session. */
function read(command: Command, output: Output, errors: string, reading: Reading): Found {
  const { text, problem }: OutputEnd = output.end()
  if (command.output !== 'text') return { reading, problem: problem ?? missing(reading) }
  const line = command.sessionLine
  const session = (line?.exec(errors) ?? line?.exec(text ?? ''))?.[1] ?? null
  reading.sessionId = session !== null && isSessionId(session) ? session : null
  reading.summary = (line === null ? text : text?.replace(line, '').trim()) || null
  return { reading, problem: null }
}

function missing({ isComplete }: Reading): string | null {
  return isComplete ? null : 'its output ended before its result'
}

function resultOf(
  command: Command,
  end: ProcessEnd,
  { reading, problem, errors }: Found & { readonly errors: string },
  signal: AbortSignal,
): RunnerResult {
  const { summary, model, apiCalls, sessionId, usage, exitReason } = reading
  const fields: RunnerResult = {
    summary,
    ...(model !== null && { model }),
    ...(apiCalls !== null && { api_calls: apiCalls }),
    ...(sessionId !== null && { session_id: sessionId }),
    ...(usage !== null && { usage }),
  }
  if (signal.aborted) return interrupted(signal, fields)
  const word = command.exitCodes[end.code] ?? 'failed'
  if (word !== 'completed') {
    const why = failureOf(end, errors)
    const error = reading.error === null ? why : `${reading.error}\n${why}`
    return { ...fields, status: word, error, exit_reason: exitReason ?? 'error' }
  }
  // A program may exit with 0 and say in its output that it failed, or say nothing of what was asked.
  const error = reading.error ?? (problem === null ? null : `it exited with ${end.code}, but ${problem}`)
  if (error !== null) return { ...fields, status: 'failed', error, exit_reason: exitReason ?? 'error' }
  return { ...fields, summary: summary ?? '(no output)', status: 'completed', exit_reason: 'completed' }
}
