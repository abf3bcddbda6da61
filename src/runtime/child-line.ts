import pLimit, { type LimitFunction } from 'p-limit'
import type { Child } from './child.js'

/** The children of a call, so many at once; each keeps its place until it has its outcome. */
export interface ChildLine {
  /**
   * Lets a unit's children in. Of the first unit the first child is handed over before this returns.
   * @throws if that cannot be done: then none of them runs.
   */
  start(children: readonly Child[]): void
  /** The child has its outcome: the next one may start. A waiting one that was stopped is passed over. */
  leave(child: Child): void
}

/** @param childCount of all units that use the line: one alone has nobody to wait for. */
export function createChildLine(childCount: number, width: number): ChildLine {
  return childCount === 1 ? lineOfOne : lineOfMany(width)
}

const lineOfOne: ChildLine = {
  start: ([only]) => only?.start(),
  leave: () => undefined,
}

function lineOfMany(width: number): ChildLine {
  const waiters = new Map<Child, () => void>()
  const limit: LimitFunction = pLimit(width)
  let isFirst = true
  const outcomeOf = (child: Child): Promise<void> =>
    child.outcome === null ? new Promise((resolve) => waiters.set(child, resolve)) : Promise.resolve()
  return {
    start(children) {
      if (isFirst) children[0]?.start()
      isFirst = false
      for (const child of children) {
        void limit(() => {
          startOrFail(child)
          return outcomeOf(child)
        })
      }
    },
    leave(child) {
      waiters.get(child)?.()
      waiters.delete(child)
    },
  }
}

/** A later child that cannot be handed over fails alone: its siblings already run. */
function startOrFail(child: Child): void {
  try {
    child.start()
  } catch (error) {
    child.failToStart(error)
  }
}
