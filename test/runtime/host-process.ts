import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { fixtureUrl } from './support.js'

/** The build, as a program outside of vitest imports it. */
const index = new URL('../../dist/index.js', import.meta.url).href

export interface HostProcess {
  readonly process: ChildProcess
  readonly lines: readonly string[]
  /** Resolves with the first line, already there or to come, that fits. */
  line(fits: (line: string) => boolean): Promise<string>
  /** Exit code or signal. */
  readonly ended: Promise<number | string>
}

/** A program of test/fixtures/runtime/life, killed when the test ends. */
export function startHost(
  script: string,
  args: readonly string[],
  env: Record<string, string> = {},
): HostProcess {
  const path = fileURLToPath(fixtureUrl(`life/${script}`))
  const child = spawn(process.execPath, [path, index, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const waiting = new Set<() => void>()
  const look = (): void => {
    for (const check of waiting) check()
  }
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => {
    lines.push(line)
    look()
  })
  const read = new Promise<void>((resolve) => reader.on('close', () => resolve()))
  const exited = new Promise<number | string>((resolve) =>
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'unknown')),
  )
  const ended = exited.then(async (how) => {
    await read
    return how
  })
  return {
    process: child,
    lines,
    ended,
    line: (fits) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = lines.find(fits)
          if (found === undefined) return
          waiting.delete(check)
          resolve(found)
        }
        waiting.add(check)
        check()
        void ended.then((how) => reject(new Error(`it ended with ${how} before: ${lines.join(' / ')}`)))
      }),
  }
}
