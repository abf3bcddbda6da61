/** A task that is followed, as something that can be waited for. */
import type { Follower } from './follower.js'
import type { PeerError } from './peer-error.js'
import type { TaskView } from './task-view.js'

export interface TaskWatch {
  /** Resolves once it holds, or the signal aborts. Rejects when the task is lost. */
  until(holds: () => boolean, signal?: AbortSignal): Promise<void>
  /** Something is said to have happened to it. */
  hurry(): void
  stop(): void
}

/** A task that is over is not followed. */
export function watchTask(view: TaskView, follower: Follower, onNews: () => void): TaskWatch {
  const waiting = new Set<() => void>()
  let lost: PeerError | null = null
  const wake = (): void => {
    for (const each of [...waiting]) each()
  }
  const followed = view.isTerminal
    ? null
    : follower.follow(
        view,
        () => {
          onNews()
          wake()
        },
        (error) => {
          lost = error
          wake()
        },
      )

  return {
    until(holds, signal) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const isOver = holds() || signal?.aborted === true
          if (!isOver && lost === null) return
          waiting.delete(look)
          signal?.removeEventListener('abort', look)
          if (isOver || lost === null) resolve()
          else reject(lost)
        }
        waiting.add(look)
        signal?.addEventListener('abort', look, { once: true })
        look()
      })
    },
    hurry: () => followed?.hurry(),
    stop: () => followed?.stop(),
  }
}
