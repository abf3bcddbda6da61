/**
 * The shape of the configuration file. Every message says what is expected, and nothing else: `problems.ts` adds where
 * it stands and what was given. `null` means "not set" everywhere, so that an example can show a key without a value.
 */
import * as z from 'zod'

const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
const mapping = 'a mapping of keys to values'

/** Runners that are always there, by these names. */
export const builtinRunners = ['shell', 'agent'] as const

function wholeNumber(from: number, to = Number.MAX_SAFE_INTEGER) {
  const expected = `a whole number ${to === Number.MAX_SAFE_INTEGER ? `from ${from} up` : `from ${from} to ${to}`}`
  return z.number(expected).int(expected).min(from, expected).max(to, expected).nullish()
}

const text = (expected: string) => z.string(expected).min(1, expected).nullish()
const path = text('a path')

/** How a choice is told. */
export function oneOfThese(words: readonly string[]): string {
  return words.length === 1 ? `${words[0]}` : `one of ${words.join(', ')}`
}

function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, oneOfThese(words))
}

const seconds = '0 or a number of seconds'

const number = () => z.number(seconds).min(0, seconds).nullish()

const stall = z.strictObject(
  { idle_seconds: number(), in_tool_seconds: number(), grace_seconds: number(), sweep_seconds: number() },
  mapping,
)

/** The least money that is counted. */
const leastUsd = 0.000001
const mostTokens = 1e12
const mostUsd = 1e9

function usd(from: number) {
  const expected = `a number of dollars from ${from === 0 ? '0' : '0.000001'} to ${mostUsd}`
  return z.number(expected).min(from, expected).max(mostUsd, expected).nullish()
}

const tokens = (from: number) => wholeNumber(from, mostTokens)
/** The longest timer there is. */
const mostSeconds = 2_147_483
const deadline = `0 or a number of seconds up to ${mostSeconds}`

const budgets = z.strictObject(
  {
    tokens_per_unit: tokens(1),
    cost_usd_per_unit: usd(leastUsd),
    tokens_per_session: tokens(0),
    cost_usd_per_session: usd(0),
    tokens_total: tokens(0),
    cost_usd_total: usd(0),
  },
  mapping,
)

const delegation = z.strictObject(
  {
    max_async_children: wholeNumber(0),
    max_concurrent_children: wholeNumber(1),
    max_threads: wholeNumber(1, 64),
    max_shared_threads: wholeNumber(1, 64),
    isolation: oneOf(['thread', 'process']).nullish(),
    capacity_scope: oneOf(['process', 'session', 'ledger']).nullish(),
    interrupt_grace_ms: wholeNumber(0),
    child_timeout_seconds: number(),
    deadline_seconds: z.number(deadline).min(0, deadline).max(mostSeconds, deadline).nullish(),
    max_iterations: wholeNumber(1),
    max_spawns_per_session: wholeNumber(0),
    budgets: budgets.nullish(),
    child_memory_mb: wholeNumber(16),
    import_timeout_ms: wholeNumber(1),
    adopt: z.boolean('true or false').nullish(),
    max_spawn_depth: wholeNumber(1),
    orchestrator_enabled: z.boolean('true or false').nullish(),
    independent_completions: z.boolean('true or false').nullish(),
    max_summary_chars: wholeNumber(0),
    max_unit_summary_chars: wholeNumber(0),
    stall: z.union([z.literal(false), stall], 'false, or a mapping of seconds').nullish(),
    runner: text('the name of a runner'),
  },
  mapping,
)

const shellOptions = z.strictObject(
  { cwd: path, env: z.record(z.string(), z.string('text'), mapping).nullish() },
  'a mapping with nothing but `cwd` and `env`',
)

const runner = z
  .strictObject(
    {
      builtin: oneOf(['shell']).nullish(),
      module: text('a path, a URL or the name of a package'),
      // What stands in these four is checked where the runner is made.
      preset: text('the name of a known agent'),
      command: z.record(z.string(), z.json('plain data'), mapping).nullish(),
      agent: z.record(z.string(), z.json('plain data'), mapping).nullish(),
      peer: z.record(z.string(), z.json('plain data'), mapping).nullish(),
      molecule: z.record(z.string(), z.json('plain data'), mapping).nullish(),
      export: text('the name of an export'),
      options: z.json('plain data').nullish(),
      placement: oneOf(['isolated', 'process', 'shared']).nullish(),
      reports_progress: z.boolean('true or false').nullish(),
      idempotent: z.boolean('true or false').nullish(),
      corrects_output: z.boolean('true or false').nullish(),
      on_owner_death: oneOf(['unknown', 'retry', 'adopt']).nullish(),
    },
    mapping,
  )
  .superRefine(({ builtin, module, preset, command, export: name, options, ...entry }, context) => {
    const isCommand = isSet(preset) || isSet(command)
    const made = (['agent', 'peer', 'molecule'] as const).filter((kind) => isSet(entry[kind]))
    const kinds = [isSet(builtin), isSet(module), isCommand].filter(Boolean).length + made.length
    if (kinds !== 1) {
      const message =
        'exactly one of `builtin`, `module`, `agent`, `peer`, `molecule` and `command` (or `preset`)'
      context.addIssue({ code: 'custom', message })
    } else if ((isCommand || made.length > 0) && isSet(options)) {
      const own = made[0] ?? 'command'
      const message = `nothing here (those of ${own === 'agent' ? 'an' : 'a'} ${own} stand in \`${own}\`)`
      context.addIssue({ code: 'custom', path: ['options'], message })
    } else if (!isSet(module) && isSet(name)) {
      context.addIssue({ code: 'custom', path: ['export'], message: 'nothing here (it belongs to `module`)' })
    } else if (isSet(builtin) && isSet(options)) {
      for (const { path: at, message } of shellOptions.safeParse(options).error?.issues ?? []) {
        context.addIssue({ code: 'custom', path: ['options', ...at], message })
      }
    }
  })

const days = 'a number of days over 0'
const hours = 'a number of hours over 0'

const ledger = z
  .strictObject(
    {
      kind: oneOf(['sqlite', 'memory']).nullish(),
      path,
      durability: oneOf(['process', 'power']).nullish(),
      busy_ms: wholeNumber(0),
      retention_days: z.number(days).positive(days).nullish(),
    },
    mapping,
  )
  .superRefine(({ kind, path: file }, context) => {
    if (kind === 'memory' && isSet(file)) {
      context.addIssue({ code: 'custom', path: ['path'], message: 'nothing here (it belongs to `sqlite`)' })
    }
  })

const delivery = z.strictObject(
  {
    max_attempts: wholeNumber(1),
    max_age_hours: z.number(hours).positive(hours).nullish(),
    lease_seconds: wholeNumber(1),
  },
  mapping,
)

const transcripts = z.strictObject({ enabled: z.boolean('true or false').nullish(), folder: path }, mapping)
const log = z.strictObject({ level: oneOf(logLevels).nullish(), path }, mapping)

const hosts = z.array(z.string('a host').min(1, 'a host'), 'a list of hosts')
const texts = z.array(z.string('text'), 'a list of texts')
const variable = 'the name of an environment variable'

const skill = z.strictObject(
  {
    id: z.string('a name').min(1, 'a name'),
    name: z.string('text'),
    description: z.string('text'),
    tags: texts.nullish(),
    examples: texts.nullish(),
  },
  mapping,
)

const caller = z.strictObject(
  {
    token_env: z.string(variable).min(1, variable),
    runner: z.string('the name of a runner').min(1, 'the name of a runner'),
    push_secret_env: text(variable),
    max_tasks: wholeNumber(1),
    max_streams: wholeNumber(1, 10_000),
  },
  mapping,
)

const servePush = z.strictObject(
  { allow_private_hosts: hosts.nullish(), timeout_seconds: wholeNumber(1, 600) },
  mapping,
)

const serve = z.strictObject(
  {
    host: text('a host'),
    port: wholeNumber(0, 65_535),
    url: z.url({ protocol: /^https?$/, error: 'a URL of http or https' }).nullish(),
    name: text('text'),
    description: text('text'),
    version: text('text'),
    skills: z.array(skill, 'a list of skills').nullish(),
    callers: z.record(z.string(), caller, mapping).nullish(),
    push: servePush.nullish(),
    max_body_kb: wholeNumber(1, 65_536),
    max_streams: wholeNumber(1, 10_000),
    drain_seconds: wholeNumber(0, 3_600),
  },
  mapping,
)

const platform = z.strictObject(
  {
    host: text('a host'),
    port: wholeNumber(0, 65_535),
    url: z.url({ protocol: /^https?$/, error: 'a URL of http or https' }).nullish(),
    path,
    admin_token_env: text(variable),
    allow_loopback: z.boolean('true or false').nullish(),
    allow_private: z.boolean('true or false').nullish(),
    max_concurrent_tasks: wholeNumber(1, 10_000),
    max_queued: wholeNumber(1, 1_000_000),
    heartbeat_timeout_seconds: wholeNumber(1, 86_400),
    task_timeout_seconds: wholeNumber(1, 86_400),
    deadline_seconds: wholeNumber(1, mostSeconds),
    retention_days: z.number(days).positive(days).nullish(),
    drain_seconds: wholeNumber(0, 3_600),
  },
  mapping,
)

const words = z.array(z.string('a word').min(1, 'a word'), 'a list of words')
const rbac = z.strictObject(
  { roles: words.nullish(), allowed_actions: z.record(z.string(), words, mapping).nullish() },
  mapping,
)
const audit = z.strictObject({ path }, mapping)

/** The whole file. Strict: an unknown key is a mistake, not an extra. */
export const configFile = z.strictObject(
  {
    delegation: delegation.nullish(),
    ledger: ledger.nullish(),
    delivery: delivery.nullish(),
    transcripts: transcripts.nullish(),
    spill_folder: path,
    runners: z.record(z.string(), runner, mapping).nullish(),
    serve: serve.nullish(),
    platform: platform.nullish(),
    log: log.nullish(),
    rbac: rbac.nullish(),
    audit: audit.nullish(),
  },
  mapping,
)

/** What a valid file holds. */
export type ConfigFile = z.infer<typeof configFile>

/** One entry of `runners`. */
export type ConfiguredRunner = z.infer<typeof runner>

/** One of pino's levels, or `silent`. */
export type LogLevel = (typeof logLevels)[number]

const keysOfSection: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(configFile.shape),
  delegation: Object.keys(delegation.shape),
  'delegation.stall': Object.keys(stall.shape),
  'delegation.budgets': Object.keys(budgets.shape),
  ledger: Object.keys(ledger.shape),
  delivery: Object.keys(delivery.shape),
  transcripts: Object.keys(transcripts.shape),
  log: Object.keys(log.shape),
  serve: Object.keys(serve.shape),
  'serve.push': Object.keys(servePush.shape),
  platform: Object.keys(platform.shape),
  rbac: Object.keys(rbac.shape),
  audit: Object.keys(audit.shape),
  'runners.*': Object.keys(runner.shape),
}

/** The keys that may stand below `path`; none where names are free. */
export function knownKeysAt(path: readonly PropertyKey[]): readonly string[] {
  const parts = path.map(String)
  const section = parts.length === 2 && parts[0] === 'runners' ? 'runners.*' : parts.join('.')
  return keysOfSection[section] ?? []
}

/** False for a key that is absent, or present without a value. */
export function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined
}
