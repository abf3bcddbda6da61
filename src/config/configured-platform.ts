import { join, resolve } from 'node:path'
import { isSet, type ConfigFile } from './schema.js'

/** What `serve --platform` is told, with its defaults. The operator's token is named by its variable. */
export interface PlatformConfig {
  readonly host: string
  readonly port: number
  /** Null: where it listens. */
  readonly url: string | null
  readonly adminTokenEnv: string | null
  readonly drainMs: number
  /** What the platform itself is opened with. */
  readonly options: {
    readonly path: string
    readonly allowLoopback: boolean
    readonly allowPrivate: boolean
    readonly maxConcurrentTasks: number
    readonly maxQueued: number
    readonly heartbeatTimeoutMs: number
    readonly taskTimeoutMs: number
    readonly deadlineMs: number
    readonly retentionMs: number
  }
}

const dayMs = 24 * 3600 * 1000

export function configuredPlatform(
  { platform = {} }: ConfigFile,
  { folder, stateFolder }: { readonly folder: string; readonly stateFolder: string },
): PlatformConfig {
  const given = platform ?? {}
  return {
    host: given.host ?? '127.0.0.1',
    port: given.port ?? 8080,
    url: isSet(given.url) ? given.url.replace(/\/+$/, '') : null,
    adminTokenEnv: given.admin_token_env ?? null,
    drainMs: (given.drain_seconds ?? 20) * 1000,
    options: {
      path: isSet(given.path) ? resolve(folder, given.path) : join(stateFolder, 'platform.db'),
      allowLoopback: given.allow_loopback ?? false,
      allowPrivate: given.allow_private ?? false,
      maxConcurrentTasks: given.max_concurrent_tasks ?? 1,
      maxQueued: given.max_queued ?? 1000,
      heartbeatTimeoutMs: (given.heartbeat_timeout_seconds ?? 90) * 1000,
      taskTimeoutMs: (given.task_timeout_seconds ?? 1800) * 1000,
      deadlineMs: (given.deadline_seconds ?? 21_600) * 1000,
      retentionMs: Math.max(1, Math.round((given.retention_days ?? 30) * dayMs)),
    },
  }
}
