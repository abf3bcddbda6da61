/** What a thread, of either kind of pool, reports of its children while they run. Their ends are the pool's own. */
import { assertNever } from '../core/errors.js'
import type { ChildObserver } from './executor.js'
import { createHostTalk, type HostTalk } from './host-talk.js'
import type { ControlMessage, ThreadMessage } from './messages.js'
import type { Pings } from './pings.js'

export interface ReportedChild {
  readonly run: number
  readonly observer: ChildObserver
  /** Names its runner, and so the module that must be loaded first. */
  readonly moduleKey: string
  started: boolean
  /** Null until something is said. */
  talk: HostTalk | null
  stopImportTimer: () => void
}

export interface ReportingThread {
  readonly children: Pick<ReadonlyMap<number, ReportedChild>, 'get' | 'values'>
  /** Modules that it has loaded. */
  readonly loaded: Set<string>
  readonly pings: Pings
  readonly send: (message: ControlMessage) => void
}

/** What a pool has to act upon is not among them. */
type ThreadReport = Exclude<ThreadMessage, { readonly type: 'replies' | 'memory' }>

export function hearReport(thread: ReportingThread, report: ThreadReport): void {
  switch (report.type) {
    case 'started': {
      const child = thread.children.get(report.run)
      return child === undefined ? undefined : markStarted(thread, child)
    }
    case 'activity':
      for (const [run, activity] of report.children) thread.children.get(run)?.observer.onActivity(activity)
      return
    case 'word': {
      const child = thread.children.get(report.run)
      return child === undefined ? undefined : talkWith(child, () => thread).hear(report.word)
    }
    case 'pong':
      return thread.pings.answer(report.ping)
    default:
      return assertNever(report)
  }
}

/** What is said to and by the child. `carrier` is asked for once the child has started. */
export function talkWith(
  child: ReportedChild,
  carrier: () => Pick<ReportingThread, 'send'> | null,
): HostTalk {
  const { run, observer, started } = child
  child.talk ??= createHostTalk(observer, (word) => carrier()?.send({ type: 'word', run, word }), started)
  return child.talk
}

/** Tells the observer, once, that the child's runner is loaded and called. */
export function markStarted(thread: ReportingThread, child: ReportedChild): void {
  if (child.started) return
  child.started = true
  child.stopImportTimer()
  child.observer.onStarted()
  child.talk?.start()
  if (thread.loaded.has(child.moduleKey)) return
  thread.loaded.add(child.moduleKey)
  // The thread told of the one that loaded the module: those that came meanwhile have it now, too.
  for (const other of [...thread.children.values()])
    if (other.moduleKey === child.moduleKey) markStarted(thread, other)
}
