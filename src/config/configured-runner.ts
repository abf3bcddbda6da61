import { existsSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { moduleRunner, shellRunner, type RunnerReference, type ShellRunnerOptions } from '../index.js'
import type { Json, JsonObject } from '../runner.js'
import { isSet, type ConfiguredRunner } from './schema.js'

/** The reference of an entry of `runners`. Its paths start at `folder`, where the file that names them is. */
export function configuredRunner(entry: ConfiguredRunner, folder: string): RunnerReference {
  const placement = isSet(entry.placement) ? { placement: entry.placement } : {}
  const options = entry.options as Json | undefined
  if (!isSet(entry.module)) return { ...shellRunner(shellOptions(options, folder)), ...placement }
  return moduleRunner(moduleFrom(entry.module, folder), {
    ...placement,
    ...(isSet(entry.export) && { export: entry.export }),
    ...(isSet(options) && { options }),
  })
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
