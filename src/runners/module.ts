import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Json, RunnerReference } from '../runner.js'

export interface ModuleRunnerOptions {
  /** @defaultValue 'default' */
  readonly export?: string
  /** Handed to the runner as `ctx.options`. */
  readonly options?: Json
  /** @defaultValue 'isolated' */
  readonly placement?: 'isolated' | 'shared'
  /** @see RunnerReference */
  readonly idempotent?: boolean
  /** @see RunnerReference */
  readonly onOwnerDeath?: 'unknown' | 'retry' | 'adopt'
}

/**
 * A runner in a module: a path (`./my-runner.js`, from the working folder), a URL, or the name of an installed package.
 * Nothing is loaded here: a module that is missing or broken becomes the error of the child that needs it.
 */
export function moduleRunner(module: string | URL, options: ModuleRunnerOptions = {}): RunnerReference {
  return { url: moduleUrl(module), ...options }
}

function moduleUrl(module: string | URL): string {
  if (module instanceof URL) return module.href
  if (/^(?:file|data|node):/.test(module)) return module
  const isPath = module.startsWith('.') || isAbsolute(module) || (module.includes(sep) && existsSync(module))
  if (isPath) return pathToFileURL(resolve(module)).href
  try {
    return pathToFileURL(createRequire(resolve('package.json')).resolve(module)).href
  } catch {
    // Not to be had by `require` (ESM only, or not installed): the thread's own import finds it, or says why not.
    return module
  }
}
