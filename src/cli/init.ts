import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandOptions } from './open.js'
import { exitCodes, printOut, printProblem } from './render.js'

/** Options of `init`, as commander hands them over. */
export interface InitOptions extends CommandOptions {
  readonly force?: boolean
}

/** Writes the example configuration. What is there already is not replaced, unless by force. */
export async function init({ config = 'hermes-delegate.yaml', force = false }: InitOptions): Promise<number> {
  const path = resolve(config)
  const example = await readFile(new URL('../../config.example.yaml', import.meta.url), 'utf8')
  try {
    await writeFile(path, example, { flag: force ? 'w' : 'wx' })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    printProblem(code === 'EEXIST' ? `${path} is there already; --force replaces it` : message)
    return exitCodes.failed
  }
  printOut(`wrote ${path}\n`)
  return exitCodes.ok
}
