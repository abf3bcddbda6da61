/**
 * Each child in a process of its own: dearer than a thread, and killable for certain, whatever it is doing. Invariants:
 *
 * F1. A child has ended when the `exit` event of its process came, and not before (P6).
 * F2. Nothing of it outlives its host, not even kill -9: a watcher outside knows the process before its job is handed
 *     over, and it ends itself where the pipe to its host does.
 * F3. What it writes, to whatever file descriptor, is checked and read at the host's own pace (P7).
 * F4. No process and no pipe keeps the host alive (R5).
 */
import type { Clock } from '../core/clock.js'
import type { Json, RunnerReference } from '../runner.js'
import type { ChildEnd, ChildJob, ChildObserver, ChildRun, Executor } from './executor.js'
import { createGroupWatcher, type GroupWatcher } from './group-watcher.js'
import type { HostTalk } from './host-talk.js'
import { createLineReader } from './line-reader.js'
import { memoryLimitBytes } from './memory-limit.js'
import type { ControlMessage, JobMessage, Reply, ThreadMessage } from './messages.js'
import { readPaced } from './paced-reader.js'
import { createPings } from './pings.js'
import { endOfProcess, type KillCause } from './process-end.js'
import { killGroup, killProcess, launchProcess, type LaunchedProcess } from './process-launch.js'
import { parseReport } from './process-report.js'
import { canWatchResident, createResidentWatch, type ResidentWatch } from './resident-watch.js'
import { importBackstopMs } from './thread-pool.js'
import {
  hearReport,
  markStarted,
  talkWith,
  type ReportedChild,
  type ReportingThread,
} from './thread-reports.js'
import { waitAtMost } from './wait-at-most.js'

export interface ProcessExecutorOptions {
  readonly clock: Clock
  /** Heap of one child, MB; its whole process may have somewhat more. */
  readonly childMemoryMb: number
  /** How long a runner's module may take to import, ms. */
  readonly importTimeoutMs: number
}

/** A process has one child. */
const run = 0
/** How long what a process wrote before its exit is read on, where something else holds its pipes open, ms. */
const leftoverMs = 500
/** A reply of a child of ours fits, however much of it JSON has to escape. */
const messageCharacters = 16_000_000
/** What a message costs beside its length. */
const messageCost = 5_000
const errorTailCharacters = 4_000

const nothing = (): void => undefined

interface Surroundings extends ProcessExecutorOptions {
  readonly watcher: GroupWatcher
  readonly resident: ResidentWatch
  /** Called once, when the child has ended. */
  readonly onGone: (child: ProcessChild) => void
}

export function createProcessExecutor(options: ProcessExecutorOptions): Executor {
  const { clock, childMemoryMb } = options
  const live = new Set<ProcessChild>()
  const surroundings: Surroundings = {
    ...options,
    watcher: createGroupWatcher(),
    resident: createResidentWatch(clock, memoryLimitBytes(childMemoryMb)),
    onGone: (child) => void live.delete(child),
  }
  return {
    run(job, observer) {
      const { runner } = job
      if (typeof runner === 'function') throw new TypeError('Expected a runner reference, got a function')
      const child = new ProcessChild({ ...job, runner }, observer, surroundings)
      live.add(child)
      return child
    },
    async close(withinMs) {
      const ends = [...live].map((child) => child.gone)
      for (const child of live) child.terminate()
      await waitAtMost(clock, withinMs, Promise.all(ends))
    },
  }
}

/** A class, because it owns a process with several phases. */
class ProcessChild implements ChildRun, ReportedChild {
  readonly observer: ChildObserver
  readonly run = run
  readonly moduleKey: string
  readonly gone: Promise<void>
  started = false
  talk: HostTalk | null = null
  stopImportTimer = nothing
  readonly #around: Surroundings
  readonly #launched: LaunchedProcess
  readonly #reporting: ReportingThread
  readonly #tooLate: string
  #killed: KillCause | null = null
  #reply: Reply | null = null
  #errors = ''
  #interruptReason: string | null = null
  #hasExited = false
  #hasEnded = false
  #stopResidentWatch = nothing
  #tellGone = nothing

  constructor(job: ChildJob<RunnerReference>, observer: ChildObserver, around: Surroundings) {
    const { clock, importTimeoutMs, childMemoryMb } = around
    const { url, export: name = 'default' } = job.runner
    this.observer = observer
    this.moduleKey = `${url}#${name}`
    this.gone = new Promise((resolve) => (this.#tellGone = resolve))
    this.#around = around
    this.#tooLate = `the runner module ${url} blocked its process for ${importTimeoutMs} ms while it was imported`
    this.#reporting = {
      children: new Map([[run, this]]),
      loaded: new Set(),
      pings: createPings(clock),
      send: (message) => this.#tell(message),
    }
    const handOver = lineOf({ type: 'jobs', jobs: [jobMessage(job, around)] })
    this.#launched = launchProcess(job.task, childMemoryMb)
    this.#listen()
    this.#start(handOver)
  }

  interrupt(reason: string, graceMs?: number): void {
    if (this.#hasEnded) return
    this.#interruptReason ??= reason
    // JSON has no Infinity; a grace that never ends is none that has to be known.
    const known = Number.isFinite(graceMs) ? { graceMs } : {}
    this.#tell({ type: 'interrupt', run, reason: this.#interruptReason, ...known })
  }

  terminate(): boolean {
    if (!this.#hasEnded) this.#kill('terminated')
    return true
  }

  tell(kind: string, payload: Json, onTaken: (taken: boolean) => void): void {
    if (this.#hasEnded) return onTaken(false)
    talkWith(this, () => this.#reporting).tell(kind, payload, onTaken)
  }

  heartbeat(withinMs: number): Promise<boolean> {
    if (this.#hasEnded) return Promise.resolve(false)
    return this.#reporting.pings.ask((ping) => this.#tell({ type: 'ping', ping }), withinMs)
  }

  #listen(): void {
    const { process, link, errors } = this.#launched
    const { clock } = this.#around
    let messages = 0
    const readLine = createLineReader((line) => {
      messages += 1
      this.#hear(parseReport(line, run))
    }, messageCharacters)
    readPaced(clock, link, (text) => {
      messages = 0
      readLine(text)
      return text.length + messages * messageCost
    })
    readPaced(clock, errors, (text) => {
      this.#errors = (this.#errors + text).slice(-errorTailCharacters)
      return text.length
    })
    link.on('close', () => this.#kill('silent'))
    process.on('exit', (code, signal) => this.#onExit(code, signal))
  }

  /** F2. @throws when nothing can watch over the process: then nothing of its child runs. */
  #start(handOver: string): void {
    const { clock, importTimeoutMs, resident, watcher } = this.#around
    const { pid, process: child, link } = this.#launched
    if (process.platform !== 'win32' && !watcher.watch(pid)) {
      this.#hasEnded = true
      killProcess(child)
      throw new Error('nothing could watch over the process, so its child was not run')
    }
    link.write(handOver)
    this.#stopResidentWatch = resident.add(pid, () => this.#kill('memory'))
    this.stopImportTimer = clock.after(importTimeoutMs + importBackstopMs, () => this.#kill('import'))
  }

  #tell(message: ControlMessage): void {
    this.#launched.link.write(lineOf(message))
  }

  #hear(message: ThreadMessage | null): void {
    if (message === null || this.#reply !== null || this.#hasEnded) return
    if (message.type === 'memory') this.#kill('memory')
    else if (message.type !== 'replies') hearReport(this.#reporting, message)
    else for (const [, reply] of message.replies) this.#onReply(reply)
  }

  /** What the child left behind, in the process or in its group, goes before its end is told. */
  #onReply(reply: Reply): void {
    this.#reply = reply
    if (reply.started) markStarted(this.#reporting, this)
    if (reply.activity !== null) this.observer.onActivity(reply.activity)
    this.#kill('answered')
  }

  #kill(cause: KillCause): void {
    if (this.#hasExited) return
    this.#killed ??= cause
    killProcess(this.#launched.process)
  }

  /** F1. */
  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    const { process, pid, link, errors } = this.#launched
    const { clock, watcher } = this.#around
    this.#hasExited = true
    killGroup(pid) // whatever is left of it
    watcher.forget(pid)
    this.#stopResidentWatch()
    const killed = this.#killed
    const end = (): void => {
      stopWaiting()
      link.destroy()
      errors.destroy()
      const exit = { killed, code, signal, errors: this.#errors }
      this.#finish(this.#reply?.end ?? endOfProcess(exit, this.#tooLate))
    }
    const stopWaiting = clock.after(leftoverMs, end)
    if (this.#reply !== null) end()
    else process.once('close', end)
  }

  #finish(end: ChildEnd): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.stopImportTimer()
    this.talk?.end()
    this.#around.onGone(this)
    this.observer.onEnd(end)
    this.#tellGone()
  }
}

function jobMessage(
  job: ChildJob<RunnerReference>,
  { importTimeoutMs, childMemoryMb }: ProcessExecutorOptions,
): JobMessage {
  const limit = canWatchResident ? null : memoryLimitBytes(childMemoryMb)
  return { ...job, run, shared: false, importTimeoutMs, memoryLimitBytes: limit }
}

function lineOf(message: ControlMessage): string {
  return `${JSON.stringify(message)}\n`
}
