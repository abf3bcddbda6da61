/** The runner knows its own secrets: none of them leaves it, whoever repeats them. Unlike `redact`, it needs no known form. */
import { withoutSecrets, type Json, type JsonObject, type RunnerContext } from '../runner.js'
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

/** Of what servers are given beside it, only what a name calls a secret. */
const secretName = /key|token|secret|pass|pwd|credential|auth|cookie|session|dsn|private/i

export function secretGuard(settings: AgentSettings, host: NodeJS.ProcessEnv): SecretGuard {
  const json = withoutSecrets(secretsOf(settings, host))
  const text = (given: string): string => json(given)

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
  return [...keys.map((name) => host[name]), ...named].map((value) => value?.trim() ?? '')
}
