/**
 * Processes that cannot outlive their child. Each leads a group of its own, and runs nothing before a watcher outside of
 * that group knows it: there is no moment at which a group could be lost. The child's end cuts its lifeline; where
 * nobody is left to do that, the watcher kills the group.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants as fsConstants, statSync } from 'node:fs'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import type { GroupWatcher } from './group-watcher.js'
import type { ProcessEnd, SpawnOptions, SpawnedProcess } from '../runner.js'

/** Names the child that a process belongs to, in the process's environment. */
export const processMarker = 'HERMES_DELEGATE_CHILD'

/**
 * The leader waits at its gate until it is watched, and then becomes the command itself, so that signals and exit codes
 * are the command's own. End of file at the gate: nobody is left to watch it.
 */
const leaderScript = `read -r _ <&3 || exit 127
exec "$@" 3<&-`

/** What asks a process to end: one that was stopped (SIGSTOP) has to go on to hear it. */
const politeStops: ReadonlySet<NodeJS.Signals> = new Set(['SIGTERM', 'SIGINT', 'SIGHUP'])

/** How long output is read on after the process ended, where something else holds it open, ms. */
const leftoverOutputMs = 500

/** All processes of one child. */
export interface Lifeline {
  spawn(argv: readonly string[], options?: SpawnOptions): SpawnedProcess
  /** Kills every group there is. */
  kill(): void
  /** Kills every group, for good. Idempotent; later spawns die at once. */
  cut(): void
}

/** `marker` is put into each process's environment, so that an operator can find what a `setsid` took away. */
export function createLifeline(marker: string, watcher: GroupWatcher): Lifeline {
  const cuts = new Set<() => void>()
  let isCut = false
  const kill = (): void => {
    for (const cut of cuts) cut()
  }
  return {
    kill,
    spawn(argv, options = {}) {
      const { process: started, cut } = start(argv, options, marker, watcher)
      cuts.add(cut)
      void started.ended.then(() => cuts.delete(cut))
      if (isCut) cut()
      return started
    },
    cut() {
      isCut = true
      kill()
      cuts.clear()
    },
  }
}

function start(
  argv: readonly string[],
  options: SpawnOptions,
  marker: string,
  watcher: GroupWatcher,
): { process: SpawnedProcess; cut: () => void } {
  if (argv.length === 0 || argv[0] === '')
    throw new TypeError('Expected `argv` to name a program, got an empty list')
  const child = launchIn(options.cwd, () => launch(argv, options, marker))
  const isWatched = process.platform === 'win32' || openGate(child, watcher)
  let isOver = false
  const signal = (name: NodeJS.Signals): void => {
    // The number of a group that is gone may be another's.
    if (isOver) return
    signalGroup(child, name)
    if (politeStops.has(name)) signalGroup(child, 'SIGCONT')
  }
  const cut = (): void => signal('SIGKILL')
  const ended = new Promise<ProcessEnd>((resolve) => {
    let end: ProcessEnd = { code: 127, error: 'the process could not be started' }
    child.on('error', (error) => {
      end = { code: 127, error: folderProblem(options.cwd) ?? error.message }
      if (child.pid === undefined) resolve(end)
    })
    child.on('exit', (code, signalName) => {
      end = { code: code ?? 128 + (signalName === null ? 0 : constants.signals[signalName]) }
      if (!isWatched) end = { code: 127, error: 'nothing could watch over the process, so it was not run' }
      // The command is done: what it left in its group would hold its output open and outlive its child.
      cut()
      isOver = true
      if (child.pid !== undefined) watcher.forget(child.pid)
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

/** @throws what Node throws of a folder that is none, and says which. */
function launchIn(cwd: string | undefined, start: () => ChildProcess): ChildProcess {
  try {
    return start()
  } catch (cause) {
    const problem = folderProblem(cwd)
    throw problem === null ? cause : new Error(problem, { cause })
  }
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

/** Node names the program where it is the folder that is missing. Null: it is not. */
function folderProblem(cwd: string | undefined): string | null {
  if (cwd === undefined) return null
  try {
    accessSync(cwd, fsConstants.X_OK)
    return statSync(cwd).isDirectory() ? null : `${cwd} is no folder to work in`
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return isMissing ? `there is no folder ${cwd} to work in` : `the folder ${cwd} cannot be entered`
  }
}

/** False: nobody watches the group, so nothing of it may run. */
function openGate(child: ChildProcess, watcher: GroupWatcher): boolean {
  const gate = child.stdio[3] as Writable | null
  const isWatched = child.pid !== undefined && watcher.watch(child.pid)
  if (isWatched) gate?.end('\n')
  else gate?.destroy()
  return isWatched
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
