/**
 * The commands, and what their ends mean. Imports commander alone: a command is loaded when it is used, so that
 * `--help` and `--version` pay for no runtime.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { exitCodes, printError, printOut, printProblem, survivePipes } from './render.js'
import type { InitOptions } from './init.js'
import type { CommandOptions } from './open.js'
import type { RunOptions } from './run.js'

/** Runs one command. Resolves to the exit code; never rejects. */
export async function main(argv: readonly string[]): Promise<number> {
  survivePipes()
  let code: number = exitCodes.ok
  const program = createProgram((ended) => (code = ended))
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    return codeOf(error)
  }
}

/** Commander has said what is wrong with the call; everything else is said here. */
function codeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (!(error instanceof Error)) {
    printProblem(String(error))
    return exitCodes.failed
  }
  // By name: the class itself would bring the whole runtime along.
  const isUsage = error.name === 'UsageError' || error.name === 'DelegationError'
  printProblem(isUsage ? error.message : (error.stack ?? error.message))
  return isUsage ? exitCodes.usage : exitCodes.failed
}

function createProgram(onEnd: (code: number) => void): Command {
  const program = new Command('hermes-delegate')
    .description('Background subagents: dispatch goals to runners, and get one result back.')
    .exitOverride()
    .configureOutput({ writeOut: printOut, writeErr: printError })
    .showHelpAfterError('(add --help for what there is)')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .option(
      '--config <path>',
      'configuration file (else $HERMES_DELEGATE_CONFIG, ./hermes-delegate.yaml, the user folder)',
    )
  addRun(program, onEnd)
  program
    .command('runners')
    .description('list the built-in and the configured runners')
    .option('--json', 'as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { runners } = await import('./runners.js')
      onEnd(await runners(command.optsWithGlobals<CommandOptions>()))
    })
  program
    .command('capacity')
    .description('show how many units may run, and which do')
    .option('--json', 'as one line of JSON')
    .action(async (_options: unknown, command: Command) => {
      const { capacity } = await import('./capacity.js')
      onEnd(await capacity(command.optsWithGlobals<CommandOptions>()))
    })
  program
    .command('init')
    .description('write ./hermes-delegate.yaml (or --config), with every key and its default')
    .option('--force', 'replace a file that is there')
    .action(async (_options: unknown, command: Command) => {
      const { init } = await import('./init.js')
      onEnd(await init(command.optsWithGlobals<InitOptions>()))
    })
  return program
}

function addRun(program: Command, onEnd: (code: number) => void): void {
  program
    .command('run')
    .description('run one goal, or several as one batch, and print the completion')
    .argument('<goal...>', 'what to do; each goal is a child of its own')
    .option('-r, --runner <runner>', 'shell, a configured name, or the path, URL or package of a module')
    .option('--context <text>', 'what the children should know besides their goals')
    .option('--toolsets <names>', 'toolsets of the children, joined by commas', list)
    .option('--role <role>', 'role of the children')
    .option('--model <model>', 'model of the children')
    .option('--session <key>', 'session the completion belongs to')
    .option('--timeout <seconds>', 'wall clock limit of each child; 0 for none', seconds)
    .addOption(
      new Option('--isolation <kind>', 'what keeps isolated children apart from this process').choices([
        'thread',
        'process',
      ]),
    )
    .option('--admit-within <seconds>', 'how long to wait for a slot before it is refused', seconds)
    .addOption(
      new Option('--fail-on <which>', 'exit 1 when the whole unit failed, or when any child did')
        .choices(['all', 'any'])
        .default('all'),
    )
    .option('--json', 'print the event as one line of JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 completed, 1 any other end, 2 usage, 75 refused, 130 interrupted, 143 terminated.',
    )
    .action(async (goals: readonly string[], _options: unknown, command: Command) => {
      const { run } = await import('./run.js')
      onEnd(await run(goals, command.optsWithGlobals<RunOptions>()))
    })
}

function seconds(given: string): number {
  const value = Number(given)
  if (given.trim() !== '' && Number.isFinite(value) && value >= 0) return value
  throw new InvalidArgumentError('Expected a number of seconds from 0 up.')
}

function list(given: string): string[] {
  return given
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}
