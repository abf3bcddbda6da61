/** What the tree knows of the units it shows: from a delegator's events, and nothing else. */
import type { AsyncDelegationEvent, DelegatorEventMap } from '../index.js'
import { onOneLine } from './terminal-text.js'

/** One child, as it is shown. */
export interface TreeChild {
  readonly index: number
  goal: string
  /** `waiting`, `running`, `input_required`, `interrupting`, then its terminal word. */
  state: string
  isEnded: boolean
  startedMs: number | null
  endedMs: number | null
  /** Its last transcript line, or the tool it is in. */
  detail: string
  /** What it waits with, and how that is answered; null while it does not wait. */
  asks: { readonly text: string; readonly how: string } | null
}

/** One unit, as it is shown. */
export interface TreeUnit {
  readonly id: string
  readonly startedMs: number
  endedMs: number | null
  status: string
  readonly children: TreeChild[]
}

/** Takes events in, and holds what is to be seen. Events of units it was never told of are nothing to it. */
export interface TreeState {
  /** Live ones, oldest first. */
  readonly units: ReadonlyMap<string, TreeUnit>
  dispatched(payload: DelegatorEventMap['dispatched'][0]): TreeUnit
  child(payload: DelegatorEventMap['child'][0]): TreeUnit | null
  progress(payload: DelegatorEventMap['progress'][0]): void
  /** Until it is answered, what a child asks stands below it. */
  question(payload: DelegatorEventMap['question'][0], how: string): TreeUnit | null
  /** The unit leaves the state: it is the caller's to show for the last time. */
  completion(event: AsyncDelegationEvent): TreeUnit | null
}

const detailCharacters = 400

/** `nowMs` is monotonic. */
export function createTreeState(nowMs: () => number): TreeState {
  const units = new Map<string, TreeUnit>()

  function newChild(index: number, goal: string): TreeChild {
    return {
      index,
      goal: onOneLine(goal.slice(0, detailCharacters)),
      state: 'waiting',
      isEnded: false,
      startedMs: null,
      endedMs: null,
      detail: '',
      asks: null,
    }
  }

  function end(child: TreeChild, status: string | undefined, error: string | null | undefined): void {
    if (child.isEnded) return
    child.state = onOneLine(status ?? 'unknown')
    child.isEnded = true
    child.asks = null
    child.endedMs = nowMs()
    if (!isGood(child.state))
      child.detail = onOneLine((error ?? '').slice(0, detailCharacters)) || child.detail
  }

  return {
    units,
    dispatched({ delegation_id: id, goals }) {
      const children = goals.map((goal, index) => newChild(index, goal))
      const unit: TreeUnit = { id, startedMs: nowMs(), endedMs: null, status: 'running', children }
      units.set(id, unit)
      return unit
    },
    child({ delegation_id: id, task_index: index, state, result }) {
      const unit = units.get(id)
      const child = unit?.children[index]
      if (unit === undefined || child === undefined) return null
      if (result !== undefined) end(child, result.status ?? state, result.error)
      else {
        child.state = onOneLine(state)
        child.startedMs ??= nowMs()
      }
      return unit
    },
    progress({ delegation_id: id, task_index: index, progress, lines }) {
      const child = units.get(id)?.children[index]
      if (child === undefined || child.isEnded) return
      const line = lines.at(-1)
      const tool = progress?.['current_tool']
      // The time and the role in front of a line are for the file.
      if (line !== undefined)
        child.detail = onOneLine(line.slice(0, detailCharacters)).replace(/^\S+ [^|]*\| /, '')
      else if (typeof tool === 'string' && tool !== '')
        child.detail = onOneLine(tool.slice(0, detailCharacters))
    },
    question({ delegation_id: id, task_index: index, text, state }, how) {
      const unit = units.get(id)
      const child = unit?.children[index]
      if (unit === undefined || child === undefined) return null
      child.asks = state === 'open' ? { text: onOneLine(text.slice(0, detailCharacters)), how } : null
      return unit
    },
    completion(event) {
      const unit = units.get(event.delegation_id)
      if (unit === undefined) return null
      units.delete(unit.id)
      unit.status = onOneLine(event.status)
      unit.endedMs = nowMs()
      const results = event.is_batch === true ? event.results : []
      // One function may have run the whole batch: then this is the first that is heard of its children.
      for (const child of unit.children) {
        const result = results.find(({ task_index: index }) => index === child.index)
        end(child, result?.status ?? event.status, result?.error ?? event.error)
      }
      return unit
    },
  }
}

/** `success` is some runners' word for `completed`. */
export function isGood(status: string): boolean {
  return status === 'completed' || status === 'success'
}
