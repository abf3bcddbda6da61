import type { Clock } from '../core/clock.js'
import type { Runner } from '../runner.js'
import { createChildChannel } from './child-channel.js'
import { endOf, spillInBackground, spillPath } from './child-result.js'
import { errorDetail } from './error-detail.js'
import type { ChildEnd, ChildJob, ChildObserver, ChildRun, Executor } from './executor.js'
import { createGroupWatcher } from './group-watcher.js'
import { createHostTalk, type HostTalk } from './host-talk.js'
import { createLifeline } from './lifeline.js'
import { appendInBackground, createTranscript } from './transcript.js'

const activityIntervalMs = 100

/**
 * Runs plain functions on the host's own event loop: no isolation, no memory limit, and no way to stop by force. A
 * function that blocks blocks the host.
 */
export function createInlineExecutor({ clock }: { readonly clock: Clock }): Executor {
  const append = appendInBackground()
  const watcher = createGroupWatcher()

  function run(job: ChildJob, runner: Runner, observer: ChildObserver): ChildRun {
    const transcript = createTranscript(job.transcriptPath, append)
    const lifeline = createLifeline(`${job.task.delegationId}:${job.task.taskIndex}`, watcher)
    let stopTimer: (() => void) | null = null
    let hasStarted = false
    let isOver = false
    let talk: HostTalk | null = null
    const channel = createChildChannel({
      options: null,
      resumeFrom: job.resumeFrom ?? null,
      writeLine: (line) => transcript.write(line),
      spawn: (argv, options) => lifeline.spawn(argv, options),
      after: (ms, fn) => clock.after(ms, fn),
      killProcesses: () => lifeline.kill(),
      say: (word) => talks().hear(word),
      onActivity: () => (stopTimer ??= clock.after(activityIntervalMs, flush)),
    })

    function talks(): HostTalk {
      return (talk ??= createHostTalk(observer, channel.hear, hasStarted))
    }

    function flush(): void {
      stopTimer?.()
      stopTimer = null
      transcript.flush()
      const activity = channel.takeActivity()
      if (activity !== null) observer.onActivity(activity)
    }

    function finish(end: ChildEnd): void {
      channel.end()
      lifeline.cut()
      flush()
      isOver = true
      talk?.end()
      observer.onEnd(end)
    }

    const call = async (): Promise<ChildEnd> => {
      observer.onStarted()
      hasStarted = true
      talk?.start()
      const kept: Promise<void>[] = []
      const spill = (text: string): string => {
        const path = spillPath(job)
        kept.push(spillInBackground(path, text))
        return path
      }
      const returned = await runner(job.task, channel.context)
      const end = endOf(returned, { characters: job.summaryCharacters, spill })
      await Promise.all(kept)
      return end
    }
    // The dispatch has returned before the function is called (R17).
    const later = Promise.resolve().then(call)
    void later
      .catch((error: unknown): ChildEnd => ({ kind: 'threw', error: errorDetail(error) }))
      .then(finish)
    return {
      interrupt: (reason, graceMs) => channel.interrupt(reason, graceMs),
      terminate() {
        // Its processes can be killed; the function itself cannot.
        lifeline.cut()
        return isOver
      },
      tell(kind, payload, onTaken) {
        if (isOver) onTaken(false)
        else talks().tell(kind, payload, onTaken)
      },
      heartbeat: () => Promise.resolve(!isOver),
    }
  }

  return {
    run(job, observer) {
      if (typeof job.runner !== 'function') throw new TypeError('Expected a function, got a runner reference')
      return run(job, job.runner, observer)
    },
    close: () => Promise.resolve(),
  }
}
