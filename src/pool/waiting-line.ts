import type { TaskQueue } from 'piscina'
import { labelOf, type PoolTask } from './piscina-handles.js'

/** Children whose thread is still starting. */
export interface WaitingLine<Child> {
  readonly queue: TaskQueue
  remove(child: Child): void
  /** Takes out all but `count`, oldest first. */
  takeSurplus(count: number): Child[]
}

/**
 * Piscina starts a thread for every task that it finds in its queue and cannot place, again and again until its limit.
 * So this queue shows it only those that `canPlace` now; each of the others has had a thread started for it already.
 */
export function createWaitingLine<Child extends object>(
  canPlace: (child: Child) => boolean,
): WaitingLine<Child> {
  const tasks = new Map<Child, PoolTask>()
  const childOf = (task: PoolTask): Child => labelOf(task) as Child

  function placeable(): Child | undefined {
    for (const child of tasks.keys()) if (canPlace(child)) return child
    return undefined
  }

  return {
    queue: {
      get size() {
        return placeable() === undefined ? 0 : 1
      },
      shift() {
        const child = placeable()
        const task = child === undefined ? undefined : tasks.get(child)
        if (child === undefined || task === undefined) return null
        tasks.delete(child)
        return task
      },
      push: (task) => void tasks.set(childOf(task), task),
      remove: (task) => void tasks.delete(childOf(task)),
    },
    remove: (child) => void tasks.delete(child),
    takeSurplus(count) {
      const surplus = [...tasks.keys()].slice(0, Math.max(0, tasks.size - count))
      for (const child of surplus) tasks.delete(child)
      return surplus
    },
  }
}
