import { existsSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import {
  commandRunner,
  moduleRunner,
  shellRunner,
  type CommandRunnerOptions,
  type RunnerReference,
  type ShellRunnerOptions,
} from '../index.js'
import { isJsonObject, type Json, type JsonObject } from '../runner.js'
import { agentOptions, agentProblem, camelCased } from './configured-agent.js'
import { agentRunner } from '../agent/agent-runner.js'
import { peerRunner } from '../a2a/peer-runner.js'
import { moleculeRunner } from '../molecule/molecule.js'
import { moleculeOptions, moleculeProblem } from './configured-molecule.js'
import { isSet, type ConfiguredRunner } from './schema.js'

/**
 * The reference of an entry of `runners`. Its paths start at `folder`, where the file that names them is.
 * @throws {DelegationError} RUNNER_INVALID with the problems of a command, of an agent, of a peer or of a workspace.
 */
export function configuredRunner(entry: ConfiguredRunner, folder: string): RunnerReference {
  const declared = declarationsOf(entry)
  const options = entry.options as Json | undefined
  if (isSet(entry.command) || isSet(entry.preset))
    return commandRunner(commandOptions(entry, folder), declared)
  if (isSet(entry.agent))
    return { ...agentRunner(agentOptions(withoutNulls(entry.agent), folder)), ...declared }
  if (isSet(entry.peer))
    return {
      ...peerRunner(camelCased(withoutNulls(entry.peer))),
      ...declared,
    }
  if (isSet(entry.molecule)) {
    const reference = moleculeRunner(moleculeOptions(withoutNulls(entry.molecule)))
    // It has the name that the file gives it.
    return { ...without(reference, 'name'), ...declared }
  }
  if (!isSet(entry.module)) return { ...shellRunner(shellOptions(options, folder)), ...declared }
  return moduleRunner(moduleFrom(entry.module, folder), {
    ...declared,
    ...(isSet(entry.export) && { export: entry.export }),
    ...(isSet(options) && { options }),
  })
}

function without<T extends object, K extends keyof T>(object: T, key: K): Omit<T, K> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key)) as Omit<T, K>
}

/** What a reference says of its runner, whatever that is. */
function declarationsOf(entry: ConfiguredRunner) {
  const { placement, reports_progress, idempotent, corrects_output, on_owner_death } = entry
  return {
    ...(isSet(placement) && { placement }),
    ...(isSet(reports_progress) && { reportsProgress: reports_progress }),
    ...(isSet(idempotent) && { idempotent }),
    ...(isSet(corrects_output) && { correctsOutput: corrects_output }),
    ...(isSet(on_owner_death) && { onOwnerDeath: on_owner_death }),
  }
}

function moduleFrom(module: string, folder: string): string {
  const isUrl = /^(?:file|data|node):/.test(module)
  const isPath =
    module.startsWith('.') || isAbsolute(module) || (!isUrl && existsSync(resolve(folder, module)))
  return isPath ? resolve(folder, module) : module
}

/** The schema has seen to their shape. */
function shellOptions(options: Json | undefined, folder: string): ShellRunnerOptions {
  const { cwd, env } = (options ?? {}) as JsonObject
  return {
    ...(typeof cwd === 'string' && { cwd: resolve(folder, cwd) }),
    ...(isSet(env) && { env: env as Readonly<Record<string, string>> }),
  }
}

/** Keys of a command as they are written in a file, by what the maker calls them. */
const writtenAs: Readonly<Record<string, string>> = { exitCodes: 'exit_codes', killAfterMs: 'kill_after_ms' }

/** Where in the file a problem of the maker stands. */
export function makerProblem(
  name: string,
  { agent, peer, molecule }: ConfiguredRunner,
  problem: string,
): string {
  if (isSet(molecule)) return `runners.${name}.molecule.${moleculeProblem(problem)}`
  if (isSet(peer)) return `runners.${name}.peer.${agentProblem(problem)}`
  if (isSet(agent)) return `runners.${name}.agent.${agentProblem(problem)}`
  const [key = ''] = /^\w+/.exec(problem) ?? []
  const written = (writtenAs[key] ?? key) + problem.slice(key.length)
  return `runners.${name}.${key === 'preset' ? '' : 'command.'}${written}`
}

/** Checked by the maker, whatever they are. */
function commandOptions({ command, preset }: ConfiguredRunner, folder: string): CommandRunnerOptions {
  const given = withoutNulls({ ...command, preset: preset ?? command?.['preset'] })
  const { exit_codes: exitCodes, kill_after_ms: killAfterMs, argv, cwd, ...same } = given
  const options: JsonObject = {
    ...same,
    ...(isSet(exitCodes) && { exitCodes }),
    ...(isSet(killAfterMs) && { killAfterMs }),
    ...(isSet(argv) && { argv: Array.isArray(argv) ? located(argv as readonly Json[], folder) : argv }),
    ...(isSet(cwd) && { cwd: typeof cwd === 'string' ? resolve(folder, cwd) : cwd }),
  }
  return options
}

/** A program with a dot before its path is looked for where the file is. */
function located([program, ...args]: readonly Json[], folder: string): readonly Json[] {
  const isOurs = typeof program === 'string' && /^\.{1,2}\//.test(program)
  return program === undefined ? [] : [isOurs ? resolve(folder, program) : program, ...args]
}

/** A key without a value is not set, here as everywhere in the file. */
function withoutNulls(options: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => isSet(value))
      .map(([key, value]) => [key, isJsonObject(value) ? withoutNulls(value) : value]),
  )
}
