/** What happens to tasks, to those who follow them: one listener at the delegator, one wait for each task's end. */
import type { Clock, Delegator, DelegatorEvent } from '../../index.js'

/** A child's state or result, its progress, or a question of it. */
export type TaskNews = Extract<DelegatorEvent, { readonly type: 'child' | 'progress' | 'question' }>

export interface TaskFeed {
  /** Tells what happens to the task in this process. Returns the way to stop it. */
  listen(taskId: string, listener: (news: TaskNews) => void): () => void
  /** Resolves once the end of the task is in the ledger, whichever process runs it. @throws as `wait` */
  ended(taskId: string): Promise<void>
  /** When a question of the task was answered last, or dropped, Unix seconds; null where none was, as far as is known here. */
  answeredAt(taskId: string): number | null
  stop(): void
}

export function createTaskFeed(delegator: Delegator, clock: Pick<Clock, 'now'>): TaskFeed {
  const listeners = new Map<string, Set<(news: TaskNews) => void>>()
  const ends = new Map<string, Promise<void>>()
  const answers = new Map<string, number>()

  const stop = delegator.events.onAny((event) => {
    if (event.type === 'gone') answers.delete(event.payload.delegation_id)
    if (event.type !== 'child' && event.type !== 'progress' && event.type !== 'question') return
    if (event.type === 'question' && event.payload.state !== 'open')
      answers.set(event.payload.delegation_id, clock.now())
    for (const listener of listeners.get(event.payload.delegation_id) ?? []) listener(event)
  })

  return {
    listen(taskId, listener) {
      const own = listeners.get(taskId) ?? new Set()
      listeners.set(taskId, own.add(listener))
      return () => {
        own.delete(listener)
        if (own.size === 0 && listeners.get(taskId) === own) listeners.delete(taskId)
      }
    },
    ended(taskId) {
      const known = ends.get(taskId)
      if (known !== undefined) return known
      const end = delegator
        .wait(taskId)
        .then(() => undefined)
        .finally(() => ends.delete(taskId))
      ends.set(taskId, end)
      return end
    },
    answeredAt: (taskId) => answers.get(taskId) ?? null,
    stop,
  }
}
