/**
 * Processes that cannot outlive their child. Each leads a group of its own, in which a watcher holds the reading end of
 * a pipe whose writing end belongs to whoever started it. End of file on it, for whatever reason (the child ended, its
 * thread was terminated, the host was killed with -9), and the watcher kills the whole group. The pipe is
 * there before the process is, so there is no moment at which it could be lost.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import type { ProcessEnd, SpawnOptions, SpawnedProcess } from '../runner.js'

/** Names the child that a process belongs to, in the process's environment. */
export const processMarker = 'HERMES_DELEGATE_CHILD'

/**
 * The leader starts the watcher and then becomes the command itself, so that signals and exit codes are the command's
 * own. The watcher ignores what a polite stop sends to the group.
 */
const leaderScript = `( trap '' TERM INT HUP; read -r _ <&3; kill -KILL 0 ) </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`

/** How long output is read on after the process ended, where something else holds it open, ms. */
const leftoverOutputMs = 500

/** All processes of one child. */
export interface Lifeline {
  spawn(argv: readonly string[], options?: SpawnOptions): SpawnedProcess
  /** Kills every group and lets go of the pipes. Idempotent; later spawns die at once. */
  cut(): void
}

/** `marker` is put into each process's environment, so that an operator can find what a `setsid` took away. */
export function createLifeline(marker: string): Lifeline {
  const cuts = new Set<() => void>()
  let isCut = false
  return {
    spawn(argv, options = {}) {
      const { process: started, cut } = start(argv, options, marker)
      cuts.add(cut)
      void started.ended.then(() => cuts.delete(cut))
      if (isCut) cut()
      return started
    },
    cut() {
      isCut = true
      for (const cut of cuts) cut()
      cuts.clear()
    },
  }
}

function start(
  argv: readonly string[],
  options: SpawnOptions,
  marker: string,
): { process: SpawnedProcess; cut: () => void } {
  if (argv.length === 0 || argv[0] === '')
    throw new TypeError('Expected `argv` to name a program, got an empty list')
  const child = launch(argv, options, marker)
  const signal = (name: NodeJS.Signals): void => signalGroup(child, name)
  const cut = (): void => {
    // While the pipe is open the watcher lives, so the group's number cannot belong to anybody else.
    signal('SIGKILL')
    child.stdio[3]?.destroy()
  }
  const ended = new Promise<ProcessEnd>((resolve) => {
    let end: ProcessEnd = { code: 127, error: 'the process could not be started' }
    child.on('error', (error) => {
      end = { code: 127, error: error.message }
      if (child.pid === undefined) resolve(end)
    })
    child.on('exit', (code, signalName) => {
      end = { code: code ?? 128 + (signalName === null ? 0 : constants.signals[signalName]) }
      // The command is done: what it left in its group would hold its output open and outlive its child.
      cut()
      // What left the group (setsid) may still hold the output open: it is not waited for.
      const letGo = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
        resolve(end)
      }, leftoverOutputMs)
      child.on('close', () => clearTimeout(letGo))
    })
    child.on('close', () => resolve(end))
  })
  const { stdin, stdout, stderr } = child as ChildProcess & {
    stdin: Writable | null
    stdout: Readable
    stderr: Readable
  }
  return { process: { pid: child.pid, stdin, stdout, stderr, ended, signal }, cut }
}

function launch(argv: readonly string[], options: SpawnOptions, marker: string): ChildProcess {
  const env = { ...(options.env ?? process.env), [processMarker]: marker }
  const input = options.stdin === true ? 'pipe' : 'ignore'
  const common = { env, ...(options.cwd !== undefined && { cwd: options.cwd }) }
  const [program = '', ...rest] = argv
  // Windows has neither process groups nor this shell: there a process is killed alone (docs/platforms.md).
  const child =
    process.platform === 'win32'
      ? spawn(program, rest, { ...common, stdio: [input, 'pipe', 'pipe'], windowsHide: true })
      : spawn('/bin/sh', ['-c', leaderScript, 'hermes-delegate', program, ...rest], {
          ...common,
          stdio: [input, 'pipe', 'pipe', 'pipe'],
          detached: true,
        })
  // Both ends of a group that was killed report errors that say nothing new.
  child.stdio[3]?.on('error', () => undefined)
  child.stdin?.on('error', () => undefined)
  return child
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill(name)
    else process.kill(-child.pid, name)
  } catch {
    // ESRCH: the group is gone, which is what was asked for.
  }
}
