/** What an agent runner may be told: the one shape, its bounds and its defaults. */
import * as z from 'zod'
import type { CommandEnvironment } from '../runner.js'

/** Tools that come with the runner. Those of MCP servers are called `mcp-<name>`. */
export const builtinToolsets = ['file', 'terminal', 'web'] as const
export type BuiltinToolset = (typeof builtinToolsets)[number]

/** A server of the Model Context Protocol, over its standard input and output. */
export interface McpServerOptions {
  /** The program: looked up on the path, or a path. */
  readonly command: string
  readonly args?: readonly string[]
  /** @defaultValue enough to run, and no secret */
  readonly env?: CommandEnvironment
  /** @defaultValue the work folder */
  readonly cwd?: string
  /** How long it may take to start and to list its tools, seconds. @defaultValue 30 */
  readonly startTimeoutSeconds?: number
  /** How long one call may take, seconds. @defaultValue 300 */
  readonly callTimeoutSeconds?: number
}

/** USD for a million tokens. */
export interface TokenPrices {
  readonly input: number
  readonly output: number
  /** Of input tokens that came from the provider's cache. @defaultValue as `input` */
  readonly cachedInput?: number
}

/** Plain data: secrets go in as names of variables. */
export interface AgentRunnerOptions {
  /** Of a server that speaks OpenAI's chat completions: `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string
  /** Unless the task names one. */
  readonly model?: string
  /** Name of the variable that holds the key. @defaultValue no key is sent */
  readonly apiKeyEnv?: string
  /**
   * In place of `apiKeyEnv`: names of the variables that hold keys, at most 64. A child begins with one of them, siblings
   * with different ones; a key that is refused (401, 402, 403, 429) rests, and the child goes on with another.
   * @defaultValue none
   */
  readonly apiKeyEnvs?: readonly string[]
  /** The most that a child may have; a call can narrow it, and never widen it. @defaultValue ['file'] */
  readonly toolsets?: readonly BuiltinToolset[]
  /** The only folder that the file tools see, and where commands run. @defaultValue the host's working folder */
  readonly workdir?: string
  /** Calls of the model, from 1 to 10,000; the last of them is for the answer. @defaultValue 250 (spec 6) */
  readonly maxIterations?: number
  /** From 0 to 2. @defaultValue the provider's */
  readonly temperature?: number
  /** Of one call. @defaultValue the provider's */
  readonly maxOutputTokens?: number
  /** Without them `cost_usd` is not reported. */
  readonly prices?: TokenPrices
  /** Added to the instructions that every child gets. */
  readonly instructions?: string
  /** True: children have the tool `ask_user`, and wait for whoever dispatched them. @defaultValue false (spec 4.3) */
  readonly asks?: boolean
  /** How long one question stands, seconds, from 1 to 86,400. @defaultValue 600 */
  readonly askTimeoutSeconds?: number
  /** False: no child delegates, whatever its role (spec 6). @defaultValue true */
  readonly orchestratorEnabled?: boolean
  /**
   * How the server is told that JSON is wanted, where a task has an `outputSchema`, in calls in which no tool may be used:
   * `response_format` of type `json_object`, or `json_schema` with the schema. @defaultValue 'none': it is said in words alone
   */
  readonly jsonMode?: 'none' | 'object' | 'schema'
  readonly terminal?: {
    readonly env?: CommandEnvironment
    /** Of a command that asks for no other time, seconds, from 1 to 3,600. @defaultValue 180 */
    readonly timeoutSeconds?: number
    /** True: dangerous commands run. Those that destroy a machine do not. @defaultValue false (spec 6) */
    readonly autoApprove?: boolean
    /** Regular expressions; a command that matches one does not run. */
    readonly deny?: readonly string[]
  }
  readonly web?: {
    /** Hosts (`intranet`, `127.0.0.1:8080`) whose addresses may be private. @defaultValue none */
    readonly allowPrivateHosts?: readonly string[]
    /** Of one page, seconds, from 1 to 600. @defaultValue 30 */
    readonly timeoutSeconds?: number
  }
  readonly mcpServers?: Readonly<Record<string, McpServerOptions>>
  /** True: a call that narrows the toolsets, and names no MCP server, keeps all of them (spec 6). @defaultValue true */
  readonly inheritMcpToolsets?: boolean
  readonly retry?: {
    /** Further tries of one call, from 0 to 20. @defaultValue 5 */
    readonly maxRetries?: number
    /** Before the first of them, ms; doubled each time. @defaultValue 1_000 */
    readonly initialMs?: number
    /** @defaultValue 60_000 */
    readonly maxMs?: number
    /** A server that asks for a longer wait than this, seconds, ends the child. @defaultValue 120 */
    readonly maxRetryAfterSeconds?: number
  }
  /** A call of the model that sends nothing for so long is tried again, seconds, from 1 to 3,600. @defaultValue 300 */
  readonly idleTimeoutSeconds?: number
}

const mapping = 'expected a mapping'

function number(from: number, to: number) {
  const expected = `expected a number from ${from} to ${to}`
  return z.number(expected).min(from, expected).max(to, expected)
}

function count(from: number, to: number) {
  const expected = `expected a whole number from ${from} to ${to}`
  return z.number(expected).int(expected).min(from, expected).max(to, expected)
}

const plain = 'expected text without NUL characters'
const plainText = z.string(plain).refine((text) => !text.includes('\0'), plain)
const text = plainText.min(1, 'expected text')

/** What is no name is not shown: it may be the secret itself. */
const variable = 'expected the name of an environment variable (letters, digits, _)'
const variableName = z.string(variable).regex(/^[A-Za-z_]\w{0,99}$/, variable)

const environment = z
  .strictObject(
    {
      pass: z.array(variableName, 'expected a list').optional(),
      set: z.record(variableName, plainText, mapping).optional(),
    },
    mapping,
  )
  .transform(({ pass, set }): CommandEnvironment => ({ ...(pass && { pass }), ...(set && { set }) }))
  .default({})

const address = 'expected an http or https URL without a user, a query or a fragment'

function isBaseUrl(given: string): boolean {
  if (!URL.canParse(given)) return false
  const { protocol, username, password, search, hash } = new URL(given)
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === '')
}

const mcpServer = z.strictObject(
  {
    command: text,
    args: z.array(plainText, 'expected a list').default([]),
    env: environment,
    cwd: text.optional(),
    startTimeoutSeconds: number(0.1, 600).default(30),
    callTimeoutSeconds: number(0.1, 3_600).default(300),
  },
  mapping,
)

function isPattern(given: string): boolean {
  try {
    new RegExp(given)
    return true
  } catch {
    return false
  }
}

const pattern = 'expected a regular expression of at most 500 characters'
const serverName = 'expected a name of at most 32 letters, digits, - and _'
const price = number(0, 1_000_000)

const flag = z.boolean('expected true or false')

const agentOptions = z
  .strictObject(
    {
      baseUrl: z.string(address).refine(isBaseUrl, address),
      model: text.max(200, 'expected at most 200 characters').optional(),
      apiKeyEnv: variableName.optional(),
      apiKeyEnvs: z.array(variableName, 'expected a list').max(64, 'expected at most 64 names').default([]),
      toolsets: z
        .array(z.enum(builtinToolsets, `expected one of ${builtinToolsets.join(', ')}`), 'expected a list')
        .default(['file']),
      workdir: text.optional(),
      maxIterations: count(1, 10_000).default(250),
      temperature: number(0, 2).optional(),
      maxOutputTokens: count(1, 10_000_000).optional(),
      prices: z
        .strictObject({ input: price, output: price, cachedInput: price.optional() }, mapping)
        .optional(),
      instructions: text.max(100_000, 'expected at most 100000 characters').optional(),
      asks: flag.default(false),
      askTimeoutSeconds: number(1, 86_400).default(600),
      orchestratorEnabled: flag.default(true),
      jsonMode: z.enum(['none', 'object', 'schema'], 'expected one of none, object, schema').default('none'),
      terminal: z
        .strictObject(
          {
            env: environment,
            timeoutSeconds: number(1, 3_600).default(180),
            autoApprove: flag.default(false),
            deny: z
              .array(z.string(pattern).max(500, pattern).refine(isPattern, pattern), 'expected a list')
              .default([]),
          },
          mapping,
        )
        .prefault({}),
      web: z
        .strictObject(
          {
            allowPrivateHosts: z.array(text, 'expected a list').default([]),
            timeoutSeconds: number(1, 600).default(30),
          },
          mapping,
        )
        .prefault({}),
      mcpServers: z.record(z.string().regex(/^[\w-]{1,32}$/, serverName), mcpServer, mapping).default({}),
      inheritMcpToolsets: flag.default(true),
      retry: z
        .strictObject(
          {
            maxRetries: count(0, 20).default(5),
            initialMs: number(0, 600_000).default(1_000),
            maxMs: number(0, 600_000).default(60_000),
            maxRetryAfterSeconds: number(0, 3_600).default(120),
          },
          mapping,
        )
        .prefault({}),
      idleTimeoutSeconds: number(0.1, 3_600).default(300),
    },
    mapping,
  )
  .refine(({ apiKeyEnv, apiKeyEnvs }) => apiKeyEnv === undefined || apiKeyEnvs.length === 0, {
    path: ['apiKeyEnvs'],
    error: 'expected nothing beside apiKeyEnv',
  })

/** The same with every default in it. */
export type AgentSettings = z.output<typeof agentOptions>
export type McpServerSettings = AgentSettings['mcpServers'][string]

/** The settings that options stand for, or a line for each problem, with the key it is at. */
export function readAgentOptions(
  options: unknown,
): { readonly settings: AgentSettings } | { readonly problems: readonly string[] } {
  const read = agentOptions.safeParse(options)
  if (read.success) return { settings: read.data }
  return { problems: read.error.issues.flatMap((issue) => linesOf(issue, options)) }
}

function linesOf(issue: z.core.$ZodIssue, options: unknown): string[] {
  const at = (path: readonly PropertyKey[]): string => path.map(String).join('.') || '(all of it)'
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${at([...issue.path, key])}: unknown key`)
  // A key of a free mapping that is no name: the schema's own words are inside.
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
  return [`${at(issue.path)}: ${message}, got ${shown(valueAt(options, issue.path))}`]
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (found, key) => (typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined),
    value,
  )
}

/** No text is quoted: it might be a secret. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty text' : `text of ${value.length} characters`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value === undefined || value === null) return 'nothing'
  return Array.isArray(value) ? `a list of ${value.length}` : 'a mapping'
}
