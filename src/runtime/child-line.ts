import pLimit, { type LimitFunction } from 'p-limit'
import type { Child } from './child.js'

/** The children of a unit, so many at once; each keeps its place until it has its outcome. */
export interface ChildLine {
  /** The child has its outcome: the next one may start. */
  leave(child: Child): void
  /** Who has not started stays where it is: a stop settles it. */
  clear(): void
}

/** Hands the first child over before it returns. @throws if that cannot be done: then none of them runs. */
export function startInLine(children: readonly Child[], width: number): ChildLine {
  const [first, ...rest] = children
  first?.start()
  if (rest.length === 0) return { leave: nothing, clear: nothing }
  const waiters = new Map<Child, () => void>()
  const limit: LimitFunction = pLimit({ concurrency: width, rejectOnClear: true })
  const outcomeOf = (child: Child): Promise<void> =>
    child.outcome === null ? new Promise((resolve) => waiters.set(child, resolve)) : Promise.resolve()
  // A place that was cleared was cleared by a stop, which settles the child itself.
  if (first) limit(() => outcomeOf(first)).catch(nothing)
  for (const child of rest) {
    limit(() => {
      if (child.word !== 'waiting') return
      startOrFail(child)
      return outcomeOf(child)
    }).catch(nothing)
  }
  return {
    leave(child) {
      waiters.get(child)?.()
      waiters.delete(child)
    },
    clear: () => limit.clearQueue(),
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

function nothing(): void {
  // for what is answered elsewhere
}
