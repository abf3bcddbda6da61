import { statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { resolve as resolveImport } from 'import-meta-resolve'
import type { RunnerReference } from '../runner.js'

/** All that a reference says beside where its module is. */
export type ModuleRunnerOptions = Omit<RunnerReference, 'url'>

/**
 * A runner in a module: a path from the working folder (`./my-runner.js`; `my-runner.js` as well, if that file is there),
 * a URL, or the name of an installed package, which is looked for as an `import` in the working folder would.
 * Nothing is loaded here: a module that is missing or broken becomes the error of the child that needs it.
 */
export function moduleRunner(module: string | URL, options: ModuleRunnerOptions = {}): RunnerReference {
  return { url: moduleUrl(module), ...options }
}

function moduleUrl(module: string | URL): string {
  if (module instanceof URL) return module.href
  if (/^(?:file|data|node):/.test(module)) return module
  if (module.startsWith('.') || isAbsolute(module) || isFile(module))
    return pathToFileURL(resolve(module)).href
  try {
    return resolveImport(module, pathToFileURL(resolve('package.json')).href)
  } catch {
    // Not installed here: the thread's own import finds it, or says why not.
    return module
  }
}

/** A folder may be called like a package: only a file takes a name for itself. */
function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
