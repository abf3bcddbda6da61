/** Starts the process of one child, and kills it. */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { RunnerTask } from '../runner.js'
import { controlFd } from './control-channel.js'
import { processMarker } from './lifeline.js'

const entry = fileURLToPath(new URL('./worker.js', import.meta.url))

/** Flags of the host that decide how modules are found and loaded. Others (a debugger's port, `-e`) are its own. */
const loaderFlag =
  /^(?:--(?:import|require|loader|conditions|experimental-.+|enable-source-maps|preserve-symlinks)(?:=.*)?|-r|-C)$/
const flagWithValue = /^(?:--(?:import|require|loader|experimental-loader|conditions)|-r|-C)$/

export interface LaunchedProcess {
  readonly pid: number
  readonly process: ChildProcess
  readonly link: Socket
  readonly errors: Readable
}

/**
 * It leads a group of its own, and does nothing before it is told its job over `link`. Its raw output goes nowhere: what
 * a runner prints, it prints through `process`. On its raw standard error V8 says what it died of.
 * @throws when no process can be started.
 */
export function launchProcess({ delegationId, taskIndex }: RunnerTask, memoryMb: number): LaunchedProcess {
  const args = [...loaderFlags(process.execArgv), `--max-old-space-size=${memoryMb}`, entry]
  const started = spawn(process.execPath, args, {
    env: { ...process.env, [processMarker]: `${delegationId}:${taskIndex}` },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    // Windows would open a window for it; there it is killed alone (docs/platforms.md).
    detached: process.platform !== 'win32',
    windowsHide: true,
  })
  // Why it could not be started is told later than its caller has to know that it was not.
  started.on('error', () => undefined)
  const { pid } = started
  if (pid === undefined) throw new Error('no process could be started for the child')
  const link = started.stdio[controlFd] as Socket
  const errors = started.stderr as Readable & { unref(): void }
  // What is broken about a pipe whose process is gone is told by its exit.
  link.on('error', () => undefined)
  errors.on('error', () => undefined)
  for (const handle of [started, link, errors]) handle.unref()
  return { process: started, pid, link, errors }
}

/** The flags among those of the host that a runner's module needs in order to be loaded as the host would load it. */
export function loaderFlags(execArgv: readonly string[]): string[] {
  return execArgv.filter((flag, index) => {
    const before = execArgv[index - 1]
    return loaderFlag.test(flag) || (before !== undefined && flagWithValue.test(before))
  })
}

/** Certain, whatever it is doing; its `exit` event is the proof. The group goes first: only its leader's end is told. */
export function killProcess(child: ChildProcess): void {
  if (child.pid !== undefined) killGroup(child.pid)
  child.kill('SIGKILL')
}

/** What a process leaves in its group when it ends. */
export function killGroup(leader: number): void {
  if (process.platform === 'win32') return
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // ESRCH: it is gone, which is what was asked for.
  }
}
