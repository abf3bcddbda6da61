/**
 * One Piscina, its threads, and which child runs on which. Invariants:
 *
 * T1. An isolated thread runs one child at a time, and takes another only if the last one ended cleanly, left nothing
 *     behind, and had the same runner and session. Else it is retired.
 * T2. A child has ended when its thread answered for it, or when the `exit` event of that very Worker came: never
 *     because a promise of the pool was rejected (P6).
 * T3. No thread and no port of the pool keeps the process alive (R5).
 */
import { receiveMessageOnPort, type Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { Clock } from '../core/clock.js'
import type { RunnerReference } from '../runner.js'
import type { ChildEnd, ChildJob, ChildObserver, ChildRun } from './executor.js'
import { jobMessage, type InterruptMessage, type Reply, type ThreadMessage } from './messages.js'
import {
  labelled,
  labelOf,
  letProcessExitDuringTask,
  letProcessExitDuringTermination,
  workerInfoOf,
  type PoolWorker,
} from './piscina-handles.js'
import { ownThread } from './choose-thread.js'
import { memoryLimitBytes } from './memory-limit.js'
import { createPings } from './pings.js'
import { poolSettings } from './pool-settings.js'
import { allExited, linkOf, listenTo, terminate, type ThreadLink } from './thread-link.js'
import { endByExit, lost, type Leaving } from './thread-end.js'
import {
  hearReport,
  markStarted,
  talkWith,
  type ReportedChild,
  type ReportingThread,
} from './thread-reports.js'
import { createWaitingLine } from './waiting-line.js'

export interface ThreadPoolOptions {
  readonly clock: Clock
  /** Threads of a shared pool; of isolated ones, how many there may be before an idle one is retired. */
  readonly maxThreads: number
  /** Heap of each thread, MB. */
  readonly memoryMb: number
  /** How long a runner's module may take to import, ms. */
  readonly importTimeoutMs: number
}

/** Piscina's own limit is a backstop: admission is what bounds the children (R9). */
const poolThreadsLimit = 256
/** The thread itself reports an import that takes too long; one that blocks its loop is ended this much later, ms. */
export const importBackstopMs = 1_000

interface Thread extends ReportingThread, ThreadLink {
  /** Runner and session of its children; null while it is new. */
  affinity: string | null
  readonly children: Map<number, PooledChild>
  /** Set once it takes no more children. */
  leaving: Leaving | null
  failure: Error | null
}

interface PooledChild extends ReportedChild {
  readonly job: ChildJob<RunnerReference>
  readonly affinity: string
  thread: Thread | null
  interrupt: InterruptMessage | null
  ended: boolean
}

export interface ThreadPool {
  run(job: ChildJob<RunnerReference>, observer: ChildObserver): ChildRun
  /** Terminates every thread. `exited` resolves when all have: never, for one that is stuck in a native call. */
  close(): { readonly exited: Promise<void> }
}

const nothing = (): void => undefined

/** Starts no thread before the first child. */
export function createThreadPool(options: ThreadPoolOptions): ThreadPool {
  const { clock, maxThreads, importTimeoutMs } = options
  const threads = new Map<Worker, Thread>()
  const waiting = createWaitingLine<PooledChild>((child) => ownThread(child, threads.values()) !== null)
  let nextRun = 1

  const pool = new Piscina({
    ...poolSettings(options),
    maxThreads: poolThreadsLimit,
    concurrentTasksPerWorker: 1,
    taskQueue: waiting.queue,
    loadBalancer(task, workers) {
      const child = labelOf(task) as PooledChild
      const thread = ownThread(child, threadsOf(workers))
      const poolWorker = workers.find((candidate) => workerInfoOf(candidate).worker === thread?.worker)
      if (thread === null || poolWorker === undefined) return null
      assign(child, thread)
      letProcessExitDuringTask(workerInfoOf(poolWorker))
      return poolWorker
    },
  })
  pool.on('message', greet)
  pool.on('workerCreate', (poolWorker: PoolWorker) =>
    letProcessExitDuringTermination(workerInfoOf(poolWorker)),
  )
  pool.on('workerDestroy', (poolWorker: PoolWorker) => {
    const thread = threads.get(workerInfoOf(poolWorker).worker)
    if (thread !== undefined) thread.leaving ??= 'retired'
  })
  pool.on('error', (error: Error) => {
    // A thread died before it could greet: one of those who wait has no thread coming any more.
    const coming = pool.threads.filter((worker) => !threads.has(worker)).length
    for (const child of waiting.takeSurplus(coming)) finish(child, lost('crash', error))
  })

  function* threadsOf(workers: readonly PoolWorker[]): Generator<Thread> {
    for (const poolWorker of workers) {
      const thread = threads.get(workerInfoOf(poolWorker).worker)
      if (thread !== undefined) yield thread
    }
  }

  /** Keeps idle threads of other runners and sessions from adding up beside the ones in use. */
  function retireSurplus(): void {
    if (threads.size <= maxThreads) return
    for (const thread of threads.values()) {
      if (thread.children.size > 0 || thread.leaving !== null || thread.affinity === null) continue
      return leave(thread, 'retired')
    }
  }

  function assign(child: PooledChild, thread: Thread): void {
    waiting.remove(child)
    child.thread = thread
    thread.affinity = child.affinity
    thread.children.set(child.run, child)
    if (child.interrupt !== null) thread.send(child.interrupt)
    if (thread.loaded.has(child.moduleKey)) markStarted(thread, child)
    else
      child.stopImportTimer = clock.after(importTimeoutMs + importBackstopMs, () => leave(thread, 'import'))
  }

  function leave(thread: Thread, why: Leaving): void {
    thread.leaving ??= why
    terminate(thread)
  }

  function greet(message: unknown): void {
    const link = linkOf(message, pool.threads)
    if (link === null) return
    if (threads.has(link.worker)) return link.control.close()
    const thread: Thread = {
      ...link,
      affinity: null,
      loaded: new Set(),
      children: new Map(),
      pings: createPings(clock),
      send: (message) => link.control.postMessage(message),
      leaving: null,
      failure: null,
    }
    threads.set(link.worker, thread)
    listenTo(link, {
      hear: (heard) => hear(thread, heard),
      onError: (error) => (thread.failure = error),
      onExit: (code) => onExit(thread, code),
    })
    retireSurplus()
  }

  function hear(thread: Thread, message: ThreadMessage): void {
    if (message.type === 'memory') leave(thread, 'memory')
    // Replies travel by this channel from shared threads only.
    else if (message.type !== 'replies') hearReport(thread, message)
  }

  /** A reply may overtake what its thread said before it on the control channel: that is there already, and comes first. */
  function hearPending(thread: Thread): void {
    for (let next = receiveMessageOnPort(thread.control); next; next = receiveMessageOnPort(thread.control)) {
      hear(thread, next.message as ThreadMessage)
    }
  }

  function onReply(child: PooledChild, { end, activity, started, clean }: Reply): void {
    const { thread } = child
    if (child.ended) return
    if (thread !== null) hearPending(thread)
    if (started && thread !== null) markStarted(thread, child)
    if (activity !== null) child.observer.onActivity(activity)
    if (!clean && thread !== null) leave(thread, 'retired')
    finish(child, end)
  }

  /** T2. */
  function onExit(thread: Thread, code: number): void {
    threads.delete(thread.worker)
    for (const child of [...thread.children.values()])
      finish(child, endByExit(thread, code, child, importTimeoutMs))
  }

  function finish(child: PooledChild, end: ChildEnd): void {
    if (child.ended) return
    child.ended = true
    child.stopImportTimer()
    waiting.remove(child)
    child.thread?.children.delete(child.run)
    child.talk?.end()
    child.observer.onEnd(end)
  }

  function run(job: ChildJob<RunnerReference>, observer: ChildObserver): ChildRun {
    const moduleKey = `${job.runner.url}#${job.runner.export ?? 'default'}`
    const child: PooledChild = {
      run: nextRun++,
      job,
      observer,
      affinity: `${moduleKey}\n${job.task.sessionKey}`,
      moduleKey,
      thread: null,
      interrupt: null,
      started: false,
      talk: null,
      ended: false,
      stopImportTimer: nothing,
    }
    const message = jobMessage(child.run, job, {
      shared: false,
      importTimeoutMs,
      memoryLimitBytes: memoryLimitBytes(options.memoryMb),
    })
    pool.run(labelled(message, child)).then(
      (reply: Reply) => onReply(child, reply),
      (error: unknown) => {
        // T2: with a thread, its exit is what counts; make sure that it comes.
        if (child.thread === null) return finish(child, lost('crash', error))
        if (error instanceof Error && error.name === 'DataCloneError') child.thread.failure ??= error
        leave(child.thread, 'terminated')
      },
    )
    return {
      interrupt(reason, graceMs) {
        if (child.ended) return
        child.interrupt = {
          type: 'interrupt',
          run: child.run,
          reason: child.interrupt?.reason ?? reason,
          graceMs,
        }
        child.thread?.send(child.interrupt)
      },
      terminate() {
        if (child.ended) return true
        if (child.thread === null) finish(child, lost('terminated', null))
        else leave(child.thread, 'terminated')
        return true
      },
      tell(kind, payload, onTaken) {
        if (child.ended) onTaken(false)
        else talkWith(child, () => child.thread).tell(kind, payload, onTaken)
      },
      heartbeat(withinMs) {
        const { thread } = child
        if (thread === null || child.ended) return Promise.resolve(false)
        return thread.pings.ask((ping) => thread.send({ type: 'ping', ping }), withinMs)
      },
    }
  }

  function close(): { exited: Promise<void> } {
    for (const child of waiting.takeSurplus(0)) finish(child, lost('terminated', null))
    const exited = allExited(pool.threads)
    for (const thread of threads.values()) leave(thread, 'terminated')
    // It waits for its threads, too, and so for ever where one is stuck: nobody waits for it.
    void pool.destroy()
    return { exited }
  }

  return { run, close }
}
