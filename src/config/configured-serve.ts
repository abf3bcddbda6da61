import { isSet, type ConfigFile } from './schema.js'

/** What `serve` is told, with its defaults. Tokens and secrets are named by their variables, and read when it starts. */
export interface ServeConfig {
  readonly host: string
  readonly port: number
  /** Null: where it listens. */
  readonly url: string | null
  readonly card: {
    readonly name: string
    readonly description: string
    readonly version: string
    readonly skills: readonly ServedSkill[]
  }
  readonly callers: Readonly<Record<string, ServedCaller>>
  readonly push: { readonly allowPrivateHosts: readonly string[]; readonly timeoutMs: number }
  readonly maxBodyBytes: number
  readonly maxStreams: number
  readonly drainMs: number
}

interface ServedSkill {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly tags: readonly string[]
  readonly examples: readonly string[]
}

interface ServedCaller {
  readonly tokenEnv: string
  readonly runner: string
  readonly pushSecretEnv: string | null
  /** Null: as the server shares it out. */
  readonly maxTasks: number | null
  readonly maxStreams: number | null
}

const defaultPort = 41_241

export function configuredServe({ serve }: ConfigFile): ServeConfig {
  const { host, port, url, name, description, version, skills, callers, push } = serve ?? {}
  return {
    host: host ?? '127.0.0.1',
    port: port ?? defaultPort,
    url: isSet(url) ? url.replace(/\/+$/, '') : null,
    card: {
      name: name ?? 'hermes-delegate',
      description: description ?? 'Runs tasks in the background, and tells what became of them.',
      version: version ?? '1.0.0',
      skills: (skills ?? []).map((skill) => ({
        ...skill,
        tags: skill.tags ?? [],
        examples: skill.examples ?? [],
      })),
    },
    callers: Object.fromEntries(
      Object.entries(callers ?? {}).map(([name, caller]) => [
        name,
        {
          tokenEnv: caller.token_env,
          runner: caller.runner,
          pushSecretEnv: caller.push_secret_env ?? null,
          maxTasks: caller.max_tasks ?? null,
          maxStreams: caller.max_streams ?? null,
        },
      ]),
    ),
    push: {
      allowPrivateHosts: push?.allow_private_hosts ?? [],
      timeoutMs: (push?.timeout_seconds ?? 10) * 1000,
    },
    maxBodyBytes: (serve?.max_body_kb ?? 1024) * 1024,
    maxStreams: serve?.max_streams ?? 200,
    drainMs: (serve?.drain_seconds ?? 20) * 1000,
  }
}
