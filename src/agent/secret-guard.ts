/** The runner knows its own secrets: none of them leaves it, whoever repeats them. Unlike `redact`, it needs no known form. */
import type { Json, JsonObject, RunnerContext } from '../runner.js'
import { AgentError } from './agent-error.js'
import type { AgentSettings } from './agent-options.js'

export interface SecretGuard {
  text(given: string): string
  json<Value extends Json>(given: Value): Value
  /** The same context; what goes through it to the host has no secret in it. */
  context(ctx: RunnerContext): RunnerContext
  /** What a run threw, to be thrown on. */
  error(thrown: unknown): unknown
}

/** Shorter ones are words (`none`, `ollama`, `EMPTY`) that texts may well have. */
const shortestSecret = 8
/** Of what servers are given beside it, only what a name calls a secret. */
const secretName = /key|token|secret|pass|pwd|credential|auth|cookie|session|dsn|private/i

export function secretGuard(settings: AgentSettings, host: NodeJS.ProcessEnv): SecretGuard {
  const all = new Set(secretsOf(settings, host).flatMap(formsOf))
  const forms = [...all].filter((form) => form.length >= shortestSecret)

  const text = (given: string): string =>
    forms.reduce((left, form) => withoutSecret(left, form, forms), given)
  const json = <Value extends Json>(given: Value): Value => mapped(given, text) as Value

  return {
    text,
    json,
    context(ctx) {
      const guarded: Partial<RunnerContext> = {
        log: (line, role) => ctx.log(text(line), role),
        progress: (fields) => ctx.progress(json(fields)),
        checkpoint: (state) => ctx.checkpoint(json(state)),
        ask: (question, options) =>
          ctx.ask(text(question), options && json(options as unknown as JsonObject)),
        delegate: (call) => ctx.delegate(json(call as unknown as JsonObject)),
      }
      return Object.assign(Object.create(ctx) as RunnerContext, guarded)
    },
    error(thrown) {
      if (!(thrown instanceof Error) || text(thrown.message) === thrown.message) return thrown
      const message = text(thrown.message)
      // Its cause, and the text of its stack, hold what was taken out of it.
      return thrown instanceof AgentError ? new AgentError(thrown.code, message) : new Error(message)
    },
  }
}

function secretsOf(
  { apiKeyEnv, apiKeyEnvs, mcpServers, terminal }: AgentSettings,
  host: NodeJS.ProcessEnv,
): string[] {
  const keys = [...apiKeyEnvs, ...(apiKeyEnv === undefined ? [] : [apiKeyEnv])]
  const given = [...Object.values(mcpServers).map(({ env }) => env), terminal.env].flatMap(
    ({ pass, set }) => [
      ...(pass ?? []).map((name) => [name, host[name]] as const),
      ...Object.entries(set ?? {}),
    ],
  )
  const named = given.filter(([name]) => secretName.test(name)).map(([, value]) => value)
  return [...keys.map((name) => host[name]), ...named]
    .map((value) => value?.trim() ?? '')
    .filter((value) => value.length >= shortestSecret)
}

/** As it is, in a URL, in JSON, and in base64, wherever in a longer text it begins there. */
function formsOf(secret: string): string[] {
  const encoded = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    // Only the characters that nothing beside the secret has a part in.
    return bytes.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6))
  })
  const inUrls = [...encoded, ...encoded.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))]
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), ...inUrls]
}

/** Also what has only the first half of `form`, or more: messages are cut. As far as any of the `forms` goes on. */
function withoutSecret(text: string, form: string, forms: readonly string[]): string {
  const head = form.slice(0, Math.max(shortestSecret, Math.ceil(form.length / 2)))
  let result = ''
  let done = 0
  for (let at = text.indexOf(head); at !== -1; at = text.indexOf(head, done)) {
    result += `${text.slice(done, at)}[REDACTED:own-secret]`
    done = at + Math.max(...forms.map((each) => commonLength(text, at, each)))
  }
  return result + text.slice(done)
}

function commonLength(text: string, at: number, form: string): number {
  let length = 0
  while (length < form.length && text[at + length] === form[length]) length += 1
  return length
}

function mapped(value: Json | undefined, text: (given: string) => string): Json | undefined {
  if (typeof value === 'string') return text(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return (value as readonly Json[]).map((inner) => mapped(inner, text) as Json)
  const entries = Object.entries(value as JsonObject).map(
    ([key, inner]) => [key, mapped(inner, text)] as const,
  )
  return Object.fromEntries(entries)
}
