/**
 * A tree of a delegator's children on a terminal, redrawn while they work; on anything else a line per change.
 * Public as `hermes-delegate/terminal`.
 */
import type { Clock, Delegator, DelegatorEventMap } from '../index.js'
import { createLiveScreen, secondsText, type TreeStream } from './live-screen.js'
import { howToAnswer } from './questions.js'
import { createTreeState, type TreeUnit } from './tree-state.js'

export type { TreeStream } from './live-screen.js'

/** Where and by which time the tree is drawn. */
export interface TreeOptions {
  /** Written to as long as the tree is attached. On a terminal nothing else should write there meanwhile. */
  readonly stream: TreeStream
  /** @defaultValue the machine's own */
  readonly clock?: Pick<Clock, 'monotonicMs' | 'after'>
}

/** A tree that is listening to its delegator. */
export interface AttachedTree {
  /** Lets go of the delegator, and leaves the last state where it is. Twice is once. */
  stop(): void
}

/** What shows the changes that the events bring. */
interface View {
  dispatched(unit: TreeUnit): void
  child(unit: TreeUnit, index: number): void
  progress(): void
  question(unit: TreeUnit, index: number): void
  completion(unit: TreeUnit): void
  stop(): void
}

type Payload<Name extends keyof DelegatorEventMap> = DelegatorEventMap[Name][0]

const systemTime: Pick<Clock, 'monotonicMs' | 'after'> = {
  monotonicMs: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms).unref()
    return () => clearTimeout(timer)
  },
}

/** Shows what is dispatched from now on. Keeps no process alive; colours need a terminal and no NO_COLOR. */
export function attachTree(
  { events }: Pick<Delegator, 'events'>,
  { stream, clock = systemTime }: TreeOptions,
): AttachedTree {
  const state = createTreeState(() => clock.monotonicMs())
  const isLive = stream.isTTY === true && process.env['TERM'] !== 'dumb'
  const view = isLive ? screenView(stream, clock, state.units) : lineView(stream)

  const onDispatched = (payload: Payload<'dispatched'>): void => view.dispatched(state.dispatched(payload))
  const onChild = (payload: Payload<'child'>): void => {
    const unit = state.child(payload)
    if (unit !== null) view.child(unit, payload.task_index)
  }
  const onProgress = (payload: Payload<'progress'>): void => {
    state.progress(payload)
    view.progress()
  }
  const onQuestion = (payload: Payload<'question'>): void => {
    const unit = state.question(payload, howToAnswer(payload))
    if (unit !== null) view.question(unit, payload.task_index)
  }
  const onCompletion = (event: Payload<'completion'>): void => {
    const unit = state.completion(event)
    if (unit !== null) view.completion(unit)
  }
  events.on('dispatched', onDispatched)
  events.on('child', onChild)
  events.on('progress', onProgress)
  events.on('question', onQuestion)
  events.on('completion', onCompletion)

  let isStopped = false
  return {
    stop() {
      if (isStopped) return
      isStopped = true
      events.off('dispatched', onDispatched)
      events.off('child', onChild)
      events.off('progress', onProgress)
      events.off('question', onQuestion)
      events.off('completion', onCompletion)
      view.stop()
    },
  }
}

function screenView(
  stream: TreeStream,
  clock: Pick<Clock, 'monotonicMs' | 'after'>,
  units: ReadonlyMap<string, TreeUnit>,
): View {
  const screen = createLiveScreen(stream, clock, units)
  return {
    dispatched: screen.changed,
    child: screen.changed,
    progress: screen.changed,
    question: screen.changed,
    completion: screen.leave,
    stop: screen.stop,
  }
}

/** For pipes and files: nothing moves, and a line once written is true for ever. */
function lineView(stream: TreeStream): View {
  return {
    dispatched({ id, children }) {
      stream.write(
        `${id} dispatched: ${children.length === 1 ? '1 subagent' : `${children.length} subagents`}\n`,
      )
    },
    child({ id, children }, index) {
      const child = children[index]
      if (child === undefined) return
      const took = child.isEnded
        ? ` after ${secondsText(child.startedMs ?? child.endedMs, child.endedMs)}`
        : ''
      stream.write(`${id} ${index + 1}/${children.length} ${child.state}${took}: ${child.goal}\n`)
    },
    progress: () => undefined,
    question({ id, children }, index) {
      const asks = children[index]?.asks
      if (asks)
        stream.write(`${id} ${index + 1}/${children.length} asks: ${asks.text} (answer: ${asks.how})\n`)
    },
    completion({ id, status, startedMs, endedMs }) {
      stream.write(`${id} ${status} after ${secondsText(startedMs, endedMs)}\n`)
    },
    stop: () => undefined,
  }
}
