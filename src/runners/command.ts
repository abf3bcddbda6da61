/** Any program as a runner: an agent's command line, above all. This file is both: the maker, and the runner. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DelegationError } from '../core/errors.js'
import { isJsonObject } from '../core/json.js'
import {
  defineRunner,
  type Json,
  type JsonObject,
  type RunnerContext,
  type RunnerReference,
  type RunnerTask,
} from '../runner.js'
import { commandProblems } from './command-check.js'
import { programEnvironment } from '../core/program-environment.js'
import { commandOf, type Command, type CommandRunnerOptions } from './command-options.js'
import { isSessionId } from './command-reading.js'
import { promptOf } from './command-prompt.js'
import { failed, interrupted, runProgram } from './command-run.js'
import { fill, fillAll, uses, type TemplateValues } from './command-template.js'
import { isProgram } from './program-path.js'
import { openWorktree, type Worktree } from './worktree.js'

/** Where and how its children run, beside what they run. */
export type CommandReferenceOptions = Pick<
  RunnerReference,
  'placement' | 'idempotent' | 'correctsOutput' | 'onOwnerDeath'
>

/**
 * Runs a program for each goal, in a process group of its own that dies with the child, its thread and the host. No
 * shell is in between, and no secret of the host's environment reaches it unless it is listed.
 * @throws {DelegationError} RUNNER_INVALID with a line for each problem.
 */
export function commandRunner(
  options: CommandRunnerOptions,
  reference: CommandReferenceOptions = {},
): RunnerReference {
  checked(options)
  const given = { ...options, ...(options.cwd !== undefined && { cwd: resolve(options.cwd) }) }
  const correctsOutput = corrects(commandOf(options))
  return {
    url: import.meta.url,
    options: given as unknown as JsonObject,
    ...(correctsOutput && { correctsOutput }),
    ...reference,
  }
}

/** The longest argument, bytes: Linux takes 131,072, and other systems no less. */
const argumentBytes = 100_000

export default defineRunner<CommandRunnerOptions>(async (task, ctx) => {
  checked(ctx.options)
  const command = commandOf(ctx.options)
  const cwd = command.cwd ?? process.cwd()
  if (!existsSync(cwd)) return failed(`there is no folder ${cwd} to work in`)
  let worktree: Worktree | null = null
  try {
    if (command.worktree !== false) worktree = await openWorktree(ctx.spawn, cwd, branchOf(command, task))
  } catch (error) {
    return failed(
      `there is no worktree to work in: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  const result = await runIn(worktree?.folder ?? cwd, command, task, ctx)
  const kept = (await worktree?.close()) ?? null
  return { ...result, ...(kept !== null && { worktree: kept }) }
})

function checked(options: unknown): void {
  const problems = commandProblems(options)
  if (problems.length > 0) throw new DelegationError('RUNNER_INVALID', { problems })
}

function branchOf({ worktree }: Command, { delegationId, taskIndex }: RunnerTask): string | null {
  return worktree === 'detached' ? null : `hermes/${delegationId}-${taskIndex}`
}

async function runIn(
  workdir: string,
  command: Command,
  task: RunnerTask,
  ctx: RunnerContext<CommandRunnerOptions>,
): ReturnType<typeof runProgram> {
  const session = sessionFrom(task.correction?.previous ?? ctx.resumeFrom) ?? command.session
  const prompt = promptOf(task, session !== '' && hasSession(command))
  const values: TemplateValues = {
    goal: task.goal,
    context: task.context ?? '',
    prompt,
    prompt_file: '',
    model: task.model ?? '',
    max_iterations: String(task.maxIterations),
    workdir,
    session,
  }
  const { argv, stdin } = fitting(command, values)
  const needsFile = uses([...argv.flat(), stdin ?? undefined], 'prompt_file')
  const folder = needsFile ? await mkdtemp(join(tmpdir(), 'hermes-prompt-')) : null
  try {
    const filled = { ...values, prompt_file: folder === null ? '' : join(folder, 'prompt.txt') }
    if (folder !== null) await writeFile(filled.prompt_file, prompt, { mode: 0o600 })
    const args = fillAll(argv, filled)
    const env = programEnvironment(command.env, process.env)
    const problem = problemOf(args, workdir, env)
    if (problem !== null) return failed(problem)
    if (ctx.signal.aborted) return interrupted(ctx.signal)
    const input = stdin === null ? null : fill(stdin, filled)
    return await runProgram({ command, args, input, workdir, env }, ctx)
  } finally {
    if (folder !== null) await rm(folder, { recursive: true, force: true })
  }
}

/** The agent's own session that an earlier run of this child kept. */
function sessionFrom(state: Json): string | null {
  const id = isJsonObject(state) ? state['session_id'] : null
  return typeof id === 'string' && isSessionId(id) ? id : null
}

const templatesOf = ({ argv, stdin }: Command): readonly (string | undefined)[] => [
  ...argv.flat(),
  stdin ?? undefined,
]

const hasSession = (command: Command): boolean => uses(templatesOf(command), 'session')

/** It can be told what was wrong, and finds what it worked on where it was. */
function corrects(command: Command): boolean {
  const templates = templatesOf(command)
  return command.worktree === false && (uses(templates, 'prompt') || uses(templates, 'prompt_file'))
}

/** The templates for a prompt of this size. */
function fitting(command: Command, values: TemplateValues): Pick<Command, 'argv' | 'stdin'> {
  if (command.large === null) return command
  return fillAll(command.argv, values).some(isTooLong) ? command.large : command
}

const isTooLong = (argument: string): boolean => Buffer.byteLength(argument) > argumentBytes

/** Why the program cannot be started with these arguments; null when it can. */
function problemOf(
  args: readonly string[],
  workdir: string,
  env: Readonly<Record<string, string>>,
): string | null {
  const [program = ''] = args
  const hasNul = args.findIndex((argument) => argument.includes('\0'))
  if (hasNul !== -1) return `argument ${hasNul} holds a NUL character, which no program can be given`
  const tooLong = args.find(isTooLong)
  if (tooLong !== undefined) {
    const bytes = Buffer.byteLength(tooLong)
    return `an argument of ${bytes} bytes is over ${argumentBytes}: hand it over by \`stdin\`, or with \`large\``
  }
  return isProgram(program, workdir, env['PATH']) ? null : `there is no program ${JSON.stringify(program)}`
}
