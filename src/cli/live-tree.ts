/**
 * A tree of a delegator's children on a terminal, redrawn while they work; on anything else a line per change.
 * Public as `hermes-delegate/terminal`.
 */
import type { Clock, Delegator, DelegatorEvent } from '../index.js'
import { createLiveScreen, type TreeStream } from './live-screen.js'
import { secondsText, usageParts } from './tree-lines.js'
import { createTreeState, totalOf, type TreeChange, type TreeUnit } from './tree-state.js'

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
  show(change: TreeChange): void
  stop(): void
}

const systemTime: Pick<Clock, 'monotonicMs' | 'after'> = {
  monotonicMs: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms).unref()
    return () => clearTimeout(timer)
  },
}

/** Shows what runs now and what is dispatched from now on. Keeps no process alive; colours need a terminal and no NO_COLOR. */
export function attachTree(
  delegator: Pick<Delegator, 'events' | 'snapshot'>,
  { stream, clock = systemTime }: TreeOptions,
): AttachedTree {
  const state = createTreeState(() => clock.monotonicMs(), delegator.snapshot())
  const isLive = stream.isTTY === true && process.env['TERM'] !== 'dumb'
  const view = isLive ? screenView(stream, clock, state.units) : lineView(stream)
  const stopListening = delegator.events.onAny((event: DelegatorEvent) => {
    const change = state.apply(event)
    if (change !== null) view.show(change)
  })
  let isStopped = false
  return {
    stop() {
      if (isStopped) return
      isStopped = true
      stopListening()
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
  if (units.size > 0) screen.changed()
  return {
    show({ kind, unit }) {
      if (kind === 'completion' || kind === 'gone') screen.leave(unit)
      else screen.changed()
    },
    stop: screen.stop,
  }
}

/** For pipes and files: nothing moves, and a line once written is true for ever. */
function lineView(stream: TreeStream): View {
  function lineOf(change: TreeChange): string | null {
    const { id, children, status, startedMs, endedMs } = change.unit
    switch (change.kind) {
      case 'dispatched':
        return `${id} dispatched: ${children.length === 1 ? '1 subagent' : `${children.length} subagents`}`
      case 'child': {
        const { index, state, goal, isEnded, facts, ...child } = change.child
        const took = isEnded
          ? ` after ${[secondsText(child.startedMs ?? child.endedMs, child.endedMs), ...usageParts(facts)].join(' · ')}`
          : ''
        return `${id} ${index + 1}/${children.length} ${state}${took}: ${goal}`
      }
      case 'question': {
        const { index, asks } = change.child
        return asks === null
          ? null
          : `${id} ${index + 1}/${children.length} asks: ${asks.text} (answer: ${asks.how})`
      }
      case 'completion':
        return `${id} ${[`${status} after ${secondsText(startedMs, endedMs)}`, ...usageParts(totalOf(change.unit))].join(' · ')}`
      case 'unit':
      case 'progress':
      case 'gone':
        return null
    }
  }
  return {
    show(change) {
      const line = lineOf(change)
      if (line !== null) stream.write(`${line}\n`)
    },
    stop: () => undefined,
  }
}
