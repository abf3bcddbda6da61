/**
 * The program, and what the ends of its commands mean. Imports commander alone: a command is loaded when it is used, so
 * that `--help` and `--version` pay for no runtime.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addDeliveryCommands } from './commands-deliveries.js'
import { addPeerCommands } from './commands-peers.js'
import { addRun } from './commands-run.js'
import { addSetupCommands } from './commands-setup.js'
import { addUnitCommands } from './commands-units.js'
import { exitCodes, printError, printOut, printProblem, survivePipes } from './render.js'

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

/** Errors of the catalogue that no other call would have avoided: the ledger's state, or that of a unit. */
const failures: ReadonlySet<string> = new Set([
  'CLOSED',
  'LEDGER_BUSY',
  'LEDGER_CORRUPT',
  'LEDGER_FULL',
  'LEDGER_IO',
  'LEDGER_NEWER',
  'LEDGER_NO_DRIVER',
  'LEDGER_READ_ONLY',
  'UNKNOWN_DELEGATION',
  'WAIT_TIMEOUT',
])

/** Commander has said what is wrong with the call; everything else is said here. */
function codeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (!(error instanceof Error)) {
    printProblem(String(error))
    return exitCodes.failed
  }
  // By name: the class itself would bring the whole runtime along.
  const isTold = error.name === 'UsageError' || error.name === 'DelegationError'
  printProblem(isTold ? error.message : (error.stack ?? error.message))
  const code = 'code' in error ? String(error.code) : ''
  return isTold && !failures.has(code) ? exitCodes.usage : exitCodes.failed
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
    .option('--ledger <path>', 'ledger file (else $HERMES_DELEGATE_LEDGER, ledger.path, the state folder)')
  addRun(program, onEnd)
  addUnitCommands(program, onEnd)
  addDeliveryCommands(program, onEnd)
  addSetupCommands(program, onEnd)
  addPeerCommands(program, onEnd)
  return program
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}
