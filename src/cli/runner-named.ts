/** What `-r` may say: the name of a runner, or where its module is. */
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { builtinRunners } from '../config/schema.js'
import { suggestion } from '../config/problems.js'
import type { Config } from '../config/load.js'
import { agentRunner } from '../agent/agent-runner.js'
import { moduleRunner, shellRunner, type RunnerReference } from '../index.js'
import { UsageError } from './usage-error.js'

/** A runner that has a name. */
export interface KnownRunner {
  readonly name: string
  readonly kind: 'built-in' | 'configured'
  readonly reference: RunnerReference
  /** It runs what names no runner. */
  readonly isDefault: boolean
}

/** Built-in and configured runners; a configured one takes the place of a built-in one of the same name. */
export function knownRunners({ runners, runner }: Config): readonly KnownRunner[] {
  const builtin = builtinRunners.filter((name) => !Object.hasOwn(runners, name))
  return [
    ...builtin.map((name) => ({
      name,
      kind: 'built-in' as const,
      reference: name === 'shell' ? shellRunner() : agentFromEnvironment(),
      isDefault: name === runner,
    })),
    ...Object.entries(runners).map(([name, reference]) => ({
      name,
      kind: 'configured' as const,
      reference,
      isDefault: name === runner,
    })),
  ]
}

const openAi = 'https://api.openai.com/v1'

/** Without a configuration: the variables that programs for such servers share, and the model by `--model`. */
function agentFromEnvironment({ env } = process): RunnerReference {
  const given = env['OPENAI_BASE_URL'] || openAi
  const hasKey = Boolean(env['OPENAI_API_KEY']) || given === openAi
  return agentRunner({ baseUrl: given, ...(hasKey && { apiKeyEnv: 'OPENAI_API_KEY' }) })
}

/** @throws {UsageError} listing the names there are, when `given` is none of them and no module either. */
export function runnerNamed(given: string | undefined, config: Config): RunnerReference {
  const known = knownRunners(config)
  const names = known.map(({ name }) => name)
  const wanted = given ?? config.runner
  if (wanted === null) {
    throw new UsageError(
      `no runner was given, and none is configured as the default; -r takes ${choices(names)}`,
    )
  }
  const named = known.find(({ name }) => name === wanted)
  if (named !== undefined) return named.reference
  const module = moduleAt(wanted)
  if (module !== null) return module
  const shown = JSON.stringify(wanted)
  throw new UsageError(`there is no runner ${shown}${suggestion(wanted, names)}; -r takes ${choices(names)}`)
}

function choices(names: readonly string[]): string {
  return `${names.join(', ')}, or the path, URL or package of a module that exists`
}

/** A module that is there, as its reference; else null. */
function moduleAt(wanted: string): RunnerReference | null {
  const reference = moduleRunner(wanted)
  if (/^(?:data|node):/.test(wanted)) return reference
  return reference.url.startsWith('file:') && isFile(pathOf(reference.url)) ? reference : null
}

/** @throws {UsageError} for a URL that names no file of this machine: another host, an encoded slash. */
function pathOf(fileUrl: string): string {
  try {
    return fileURLToPath(fileUrl)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new UsageError(`the runner ${JSON.stringify(fileUrl)} is no file of this machine: ${why}`)
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
