/**
 * Few threads that carry very many children which only wait. Each thread serves one endless task of Piscina; children
 * travel over its control channel, those of one tick together, and so do their replies. Invariants:
 *
 * S1. A child has ended when its thread answered for it, or when the `exit` event of that very Worker came (P6).
 * S2. No thread and no port of the pool keeps the process alive (R5).
 */
import { Piscina } from 'piscina'
import { TurnoverMap } from '../core/turnover-map.js'
import type { RunnerReference } from '../runner.js'
import { leastBusy, threadOfGroup } from './choose-thread.js'
import type { ChildEnd, ChildJob, ChildObserver, ChildRun } from './executor.js'
import {
  jobMessage,
  type ControlMessage,
  type JobMessage,
  type Reply,
  type ThreadMessage,
} from './messages.js'
import {
  letProcessExitDuringTask,
  letProcessExitDuringTermination,
  workerInfoOf,
  type PoolWorker,
} from './piscina-handles.js'
import { createPings } from './pings.js'
import { endByExit, type Leaving } from './thread-end.js'
import { idleThreadMs, poolSettings } from './pool-settings.js'
import { allExited, linkOf, listenTo, terminate, type ThreadLink } from './thread-link.js'
import {
  hearReport,
  markStarted,
  talkWith,
  type ReportedChild,
  type ReportingThread,
} from './thread-reports.js'
import { importBackstopMs, type ThreadPool, type ThreadPoolOptions } from './thread-pool.js'

interface SharedThread extends ReportingThread {
  /** Null until the thread has greeted; what it is to be told waits in `outgoing`. */
  link: ThreadLink | null
  readonly outgoing: JobMessage[]
  /** Interrupts of children that have not travelled yet. */
  readonly interrupts: ControlMessage[]
  readonly children: TurnoverMap<number, SharedChild>
  /** How many of its children there are of each word of `together`. */
  readonly groups: Map<string, number>
  readonly affinity: null
  leaving: Leaving | null
  failure: Error | null
  stopIdleTimer: () => void
}

interface SharedChild extends ReportedChild {
  readonly job: ChildJob<RunnerReference>
  readonly thread: SharedThread
  readonly together: string | undefined
  interruptReason: string | null
  ended: boolean
}

const nothing = (): void => undefined

/** Starts no thread before the first child. */
export function createSharedPool(options: ThreadPoolOptions): ThreadPool {
  const { clock, maxThreads, importTimeoutMs } = options
  const threads: SharedThread[] = []
  let nextRun = 1

  const pool = new Piscina({ ...poolSettings(options), maxThreads, concurrentTasksPerWorker: 1 })
  pool.on('message', greet)
  pool.on('workerCreate', (poolWorker: PoolWorker) => {
    const info = workerInfoOf(poolWorker)
    letProcessExitDuringTermination(info)
    letProcessExitDuringTask(info)
  })
  pool.on('error', (error: Error) => {
    // A thread died before it greeted: whom it was to carry has no other.
    const thread = threads.find(({ link }) => link === null)
    if (thread !== undefined) onExit(Object.assign(thread, { failure: error }), 1)
  })

  function startThread(): SharedThread {
    const thread: SharedThread = {
      link: null,
      outgoing: [],
      interrupts: [],
      children: new TurnoverMap(),
      groups: new Map(),
      loaded: new Set(),
      pings: createPings(clock),
      send(message) {
        // A child that is marked as started may not have travelled yet.
        flush(thread)
        tell(thread, message)
      },
      affinity: null,
      leaving: null,
      failure: null,
      stopIdleTimer: nothing,
    }
    threads.push(thread)
    pool.run(null, { name: 'serveChildren' }).catch(nothing) // S1: its exit is what counts
    return thread
  }

  function greet(message: unknown): void {
    const link = linkOf(message, pool.threads)
    if (link === null) return
    const thread = threads.find((candidate) => candidate.link === null)
    const isKnown = threads.some((candidate) => candidate.link?.worker === link.worker)
    if (thread === undefined || isKnown) return link.control.close()
    thread.link = link
    listenTo(link, {
      hear: (heard) => hear(thread, heard),
      onError: (error) => (thread.failure = error),
      onExit: (code) => onExit(thread, code),
    })
    flush(thread)
  }

  function hear(thread: SharedThread, message: ThreadMessage): void {
    if (message.type === 'memory') return
    if (message.type !== 'replies') return hearReport(thread, message)
    for (const [run, reply] of message.replies) onReply(thread.children.get(run), reply)
  }

  function onReply(child: SharedChild | undefined, { end, activity, started }: Reply): void {
    if (child === undefined) return
    if (started) markStarted(child.thread, child)
    if (activity !== null) child.observer.onActivity(activity)
    finish(child, end)
  }

  function onExit(thread: SharedThread, code: number): void {
    const at = threads.indexOf(thread)
    if (at >= 0) threads.splice(at, 1)
    thread.stopIdleTimer()
    for (const child of [...thread.children.values()])
      finish(child, endByExit(thread, code, child, importTimeoutMs))
  }

  function finish(child: SharedChild, end: ChildEnd): void {
    if (child.ended) return
    child.ended = true
    child.stopImportTimer()
    const { thread } = child
    thread.children.delete(child.run)
    countInGroup(child, -1)
    child.talk?.end()
    if (thread.children.size === 0)
      thread.stopIdleTimer = clock.after(idleThreadMs, () => leave(thread, 'retired'))
    child.observer.onEnd(end)
  }

  function leave(thread: SharedThread, why: Leaving): void {
    thread.leaving ??= why
    thread.stopIdleTimer()
    if (thread.link !== null) terminate(thread.link)
  }

  /** What was handed over in one tick travels together. */
  function send(thread: SharedThread, job: JobMessage): void {
    thread.outgoing.push(job)
    if (thread.outgoing.length === 1) queueMicrotask(() => flush(thread))
  }

  function flush(thread: SharedThread): void {
    if (thread.link === null || thread.outgoing.length === 0) return
    tell(thread, { type: 'jobs', jobs: thread.outgoing.splice(0) })
    for (const interrupt of thread.interrupts.splice(0)) tell(thread, interrupt)
  }

  function tell(thread: SharedThread, message: ControlMessage): void {
    thread.link?.control.postMessage(message)
  }

  function run(job: ChildJob<RunnerReference>, observer: ChildObserver): ChildRun {
    const { runner } = job
    const thread =
      threadOfGroup(threads, runner.together) ??
      leastBusy(threads, () => threads.length < maxThreads) ??
      startThread()
    const child: SharedChild = {
      run: nextRun++,
      job,
      observer,
      moduleKey: `${runner.url}#${runner.export ?? 'default'}`,
      thread,
      together: runner.together,
      interruptReason: null,
      started: false,
      talk: null,
      ended: false,
      stopImportTimer: nothing,
    }
    thread.children.set(child.run, child)
    countInGroup(child, 1)
    thread.stopIdleTimer()
    // Of many children in one thread nobody could say whose memory it is.
    send(thread, jobMessage(child.run, job, { shared: true, importTimeoutMs, memoryLimitBytes: null }))
    if (thread.loaded.has(child.moduleKey)) markStarted(thread, child)
    else
      child.stopImportTimer = clock.after(importTimeoutMs + importBackstopMs, () => leave(thread, 'import'))
    return {
      interrupt(reason, graceMs) {
        if (child.ended) return
        child.interruptReason ??= reason
        const interrupt = {
          type: 'interrupt',
          run: child.run,
          reason: child.interruptReason,
          graceMs,
        } as const
        if (thread.outgoing.length > 0) thread.interrupts.push(interrupt)
        else tell(thread, interrupt)
      },
      terminate: () => child.ended,
      tell(kind, payload, onTaken) {
        if (child.ended) onTaken(false)
        else talkWith(child, () => thread).tell(kind, payload, onTaken)
      },
      heartbeat(withinMs) {
        if (child.ended || thread.link === null) return Promise.resolve(false)
        return thread.pings.ask((ping) => tell(thread, { type: 'ping', ping }), withinMs)
      },
    }
  }

  function close(): { exited: Promise<void> } {
    const exited = allExited(pool.threads)
    for (const thread of [...threads]) {
      leave(thread, 'terminated')
      if (thread.link === null) onExit(thread, 0)
    }
    void pool.destroy()
    return { exited }
  }

  return { run, close }
}

function countInGroup({ thread: { groups }, together }: SharedChild, change: 1 | -1): void {
  if (together === undefined) return
  const size = (groups.get(together) ?? 0) + change
  if (size === 0) groups.delete(together)
  else groups.set(together, size)
}
