/** From a file and the environment to the options of a delegator. Nothing past this file sees a key or a zod type. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import envPaths from 'env-paths'
import { LineCounter, parseDocument } from 'yaml'
import { DelegationError, type DelegatorOptions, type RunnerReference } from '../index.js'
import { environmentNumbers } from './environment.js'
import { plain, problemLines, suggestion } from './problems.js'
import { configuredLedger, type ConfiguredLedger } from './configured-ledger.js'
import { configuredRunner, makerProblem } from './configured-runner.js'
import { configuredPlatform, type PlatformConfig } from './configured-platform.js'
import { configuredServe, type ServeConfig } from './configured-serve.js'
import { stateFolder } from './state-folder.js'
import { builtinRunners, configFile, isSet, oneOfThese, type ConfigFile, type LogLevel } from './schema.js'

/** Where a configuration is looked for. */
export interface ConfigLookup {
  /** `--config`: must exist. */
  readonly path?: string | undefined
  /** `--ledger`: comes before HERMES_DELEGATE_LEDGER and the file. */
  readonly ledger?: string | undefined
  /** @defaultValue `process.env` */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** @defaultValue the working folder */
  readonly cwd?: string
}

/** What was configured, ready to be used: paths are absolute, `null`s are gone. */
export interface Config {
  /** Null: no file was found, and the defaults hold. */
  readonly path: string | null
  /** `ledger`, `runners` and `runner` are left out: they stand below. */
  readonly options: DelegatorOptions
  readonly ledger: ConfiguredLedger
  /** How long a claim holds unless it is renewed, seconds. */
  readonly leaseSeconds: number
  /** Nobody named another one: then old transcripts are ours to clear away. */
  readonly ownsTranscripts: boolean
  readonly runners: Readonly<Record<string, RunnerReference>>
  readonly serve: ServeConfig
  readonly platform: PlatformConfig
  /** Name of the default runner. */
  readonly runner: string | null
  readonly log: { readonly level: LogLevel; readonly path: string | null }
  /** Where peers' delegations are audited: AUDIT_LOG_PATH, `audit.path`, or the state folder. */
  readonly auditPath: string
  /** Whatever was ignored or changed, a sentence each. */
  readonly warnings: readonly string[]
}

const leaseSeconds = 300
/** Hermes' floor of a child's wall clock limit, seconds (spec 6). */
const timeoutFloorSeconds = 30

/**
 * Looks for the file (`--config`, HERMES_DELEGATE_CONFIG, `./hermes-delegate.yaml`, the user's folder), and reads it.
 * @throws {DelegationError} CONFIG_UNREADABLE, CONFIG_INVALID with a line for each problem.
 */
export async function loadConfig({
  path,
  ledger,
  env = process.env,
  cwd = process.cwd(),
}: ConfigLookup = {}): Promise<Config> {
  const found = await findFile(path ?? (env['HERMES_DELEGATE_CONFIG'] || undefined), cwd)
  const file = found === null ? {} : checked(found.path, parsed(found.path, found.text))
  const warnings: string[] = []
  const folder = found === null ? cwd : resolve(found.path, '..')
  const state = stateFolder(env)
  const given = ledger ?? (env['HERMES_DELEGATE_LEDGER'] || undefined)
  return {
    path: found?.path ?? null,
    options: {
      ...defaultsOf(state),
      ...optionsOf(file, folder, environmentNumbers(env, warnings), warnings),
    },
    ledger: configuredLedger(file, { given, cwd, folder, stateFolder: state }),
    leaseSeconds: file.delivery?.lease_seconds ?? leaseSeconds,
    ownsTranscripts: !isSet(file.transcripts?.folder),
    runners: found === null ? {} : runnersOf(found.path, file, folder),
    serve: configuredServe(file),
    platform: configuredPlatform(file, { folder, stateFolder: state }),
    runner: file.delegation?.runner ?? null,
    log: logOf(file, folder),
    auditPath: env['AUDIT_LOG_PATH'] || resolve(folder, file.audit?.path ?? join(state, 'audit.log')),
    warnings,
  }
}

interface Found {
  readonly path: string
  readonly text: string
}

/** A file that was named must be there; one that is merely looked for need not. */
async function findFile(named: string | undefined, cwd: string): Promise<Found | null> {
  if (named !== undefined) {
    const path = resolve(cwd, named)
    const text = await textOf(path)
    if (text === null)
      throw new DelegationError('CONFIG_UNREADABLE', { file: path, reason: 'there is no such file' })
    return { path, text }
  }
  const user = join(envPaths('hermes-delegate', { suffix: '' }).config, 'hermes-delegate.yaml')
  for (const path of [join(cwd, 'hermes-delegate.yaml'), user]) {
    const text = await textOf(path)
    if (text !== null) return { path, text }
  }
  return null
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new DelegationError('CONFIG_UNREADABLE', { file: path, reason: message }, cause)
  }
}

function parsed(path: string, text: string): unknown {
  const lineCounter = new LineCounter()
  // Without `prettyErrors` no line of the file, which may hold a secret, gets into a message.
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lineCounter.linePos(error.pos[0])
    throw new DelegationError(
      'CONFIG_UNREADABLE',
      {
        file: path,
        line,
        column: col,
        // The package's own text speaks to who calls it.
        reason: error.code === 'MULTIPLE_DOCS' ? 'it holds more than one document' : error.message,
      },
      error,
    )
  }
  try {
    return document.toJS() ?? {}
  } catch (cause) {
    // An alias without its anchor, or one that multiplies without end.
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new DelegationError('CONFIG_UNREADABLE', { file: path, reason }, cause)
  }
}

function checked(path: string, input: unknown): ConfigFile {
  const result = configFile.safeParse(input)
  const problems = result.success ? runnerProblem(result.data) : problemLines(input, result.error.issues)
  if (result.success && problems.length === 0) return result.data
  throw new DelegationError('CONFIG_INVALID', { file: path, problems })
}

/** The default runner is the name of one that there is. */
function runnerProblem({ delegation, runners }: ConfigFile): string[] {
  const name = delegation?.runner
  const known = [...Object.keys(runners ?? {}), ...builtinRunners]
  if (!isSet(name) || known.includes(name)) return []
  const shown = JSON.stringify(name.slice(0, 60))
  return [`delegation.runner: expected ${oneOfThese(known)}, got ${shown}${suggestion(name, known)}`]
}

/** Commands are processes of their own: a cap of each alone would be none. */
function defaultsOf(state: string): DelegatorOptions {
  return { capacityScope: 'ledger', transcripts: { folder: join(state, 'transcripts') } }
}

/** @throws {DelegationError} CONFIG_INVALID with all that is wrong with commands, each with its key. */
function runnersOf(
  path: string,
  { runners }: ConfigFile,
  folder: string,
): Readonly<Record<string, RunnerReference>> {
  const problems: string[] = []
  const references: [string, RunnerReference][] = []
  for (const [name, entry] of Object.entries(runners ?? {})) {
    try {
      references.push([name, { name, ...configuredRunner(entry, folder) }])
    } catch (error) {
      if (!(error instanceof DelegationError) || !Array.isArray(error.detail['problems'])) throw error
      problems.push(
        ...error.detail['problems'].map((problem) => plain(makerProblem(name, entry, String(problem)))),
      )
    }
  }
  if (problems.length > 0) throw new DelegationError('CONFIG_INVALID', { file: path, problems })
  return Object.fromEntries(references)
}

function optionsOf(
  { delegation, transcripts, spill_folder: spill }: ConfigFile,
  folder: string,
  environment: ReturnType<typeof environmentNumbers>,
  warnings: string[],
): DelegatorOptions {
  const given = {
    maxUnits: delegation?.max_async_children ?? environment.maxUnits,
    maxConcurrentChildren: delegation?.max_concurrent_children ?? environment.maxConcurrentChildren,
    maxThreads: delegation?.max_threads,
    maxSharedThreads: delegation?.max_shared_threads,
    isolation: delegation?.isolation,
    capacityScope: delegation?.capacity_scope,
    interruptGraceMs: delegation?.interrupt_grace_ms,
    childTimeoutSeconds: floored(
      delegation?.child_timeout_seconds ?? environment.childTimeoutSeconds,
      warnings,
    ),
    deadlineSeconds: delegation?.deadline_seconds,
    maxIterations: delegation?.max_iterations,
    maxSpawnsPerSession: delegation?.max_spawns_per_session,
    budgets: budgetsOf(delegation?.budgets),
    childMemoryMb: delegation?.child_memory_mb,
    importTimeoutMs: delegation?.import_timeout_ms,
    adopt: delegation?.adopt,
    maxDepth: delegation?.max_spawn_depth,
    orchestratorEnabled: delegation?.orchestrator_enabled,
    independentCompletions: delegation?.independent_completions,
    maxSummaryCharacters: delegation?.max_summary_chars,
    maxUnitSummaryCharacters: delegation?.max_unit_summary_chars,
    stall: stallOf(delegation?.stall),
    spillFolder: isSet(spill) ? resolve(folder, spill) : undefined,
    transcripts: transcriptsOf(transcripts, folder),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => isSet(value)))
}

function transcriptsOf(
  transcripts: ConfigFile['transcripts'],
  folder: string,
): DelegatorOptions['transcripts'] {
  if (transcripts?.enabled === false) return false
  return isSet(transcripts?.folder) ? { folder: resolve(folder, transcripts.folder) } : undefined
}

function stallOf(stall: NonNullable<ConfigFile['delegation']>['stall']): DelegatorOptions['stall'] {
  if (!isSet(stall) || stall === false) return stall ?? undefined
  const { idle_seconds, in_tool_seconds, grace_seconds, sweep_seconds } = stall
  return {
    ...(isSet(idle_seconds) && { idleSeconds: idle_seconds }),
    ...(isSet(in_tool_seconds) && { inToolSeconds: in_tool_seconds }),
    ...(isSet(grace_seconds) && { graceSeconds: grace_seconds }),
    ...(isSet(sweep_seconds) && { sweepSeconds: sweep_seconds }),
  }
}

function budgetsOf(budgets: NonNullable<ConfigFile['delegation']>['budgets']): DelegatorOptions['budgets'] {
  if (!isSet(budgets)) return undefined
  const given = {
    tokensPerUnit: budgets.tokens_per_unit,
    costUsdPerUnit: budgets.cost_usd_per_unit,
    tokensPerSession: budgets.tokens_per_session,
    costUsdPerSession: budgets.cost_usd_per_session,
    tokensTotal: budgets.tokens_total,
    costUsdTotal: budgets.cost_usd_total,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => isSet(value)))
}

function floored(seconds: number | undefined, warnings: string[]): number | undefined {
  if (seconds === undefined || seconds === 0 || seconds >= timeoutFloorSeconds) return seconds
  warnings.push(
    `child_timeout_seconds is ${seconds}: the least that counts is ${timeoutFloorSeconds}, which is used`,
  )
  return timeoutFloorSeconds
}

/** Who names a file wants something in it. */
function logOf({ log }: ConfigFile, folder: string): Config['log'] {
  const path = isSet(log?.path) ? resolve(folder, log.path) : null
  return { level: log?.level ?? (path === null ? 'silent' : 'info'), path }
}
