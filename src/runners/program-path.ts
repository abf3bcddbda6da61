import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'

/**
 * True when starting `program` in `folder` would find a file that may be run: what starts a process says only that
 * something was missing, and not what. On Windows, where names have endings, it is left to say so.
 */
export function isProgram(program: string, folder: string, path: string | undefined): boolean {
  if (process.platform === 'win32') return true
  if (program.includes('/')) return mayRun(resolve(folder, program))
  // Without a path, the system has one of its own.
  if (path === undefined) return true
  return path.split(delimiter).some((place) => mayRun(resolve(folder, place, program)))
}

function mayRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
