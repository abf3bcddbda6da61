/** What the tree knows of the units it shows: a delegator's snapshot, the events after it, and nothing else. */
import type {
  AsyncDelegationEvent,
  ChildFacts,
  DelegatorEvent,
  DelegatorEventMap,
  DelegatorSnapshot,
} from '../index.js'
import { howToAnswer } from './how-to-answer.js'
import { liveWords } from './live-words.js'
import { onOneLine } from './terminal-text.js'

/** One child, as it is shown. */
export interface TreeChild {
  readonly index: number
  goal: string
  /** `waiting`, `running`, `queued`, `input_required`, `auth_required`, `stalling`, `interrupting`, then its terminal word. */
  state: string
  isEnded: boolean
  startedMs: number | null
  endedMs: number | null
  /** The tool it is in, its last transcript line, and of one that failed its error. */
  tool: string
  line: string
  error: string
  /** What it waits with, and how that is answered; null while it does not wait. */
  asks: { readonly text: string; readonly how: string } | null
  facts: ChildFacts
}

/** One unit, as it is shown. */
export interface TreeUnit {
  readonly id: string
  /** The unit below which it stands. */
  readonly parentId: string | null
  readonly startedMs: number
  endedMs: number | null
  status: string
  readonly children: TreeChild[]
}

/** What an event did to what is to be seen. */
export type TreeChange =
  | { readonly kind: 'dispatched' | 'completion' | 'gone' | 'unit'; readonly unit: TreeUnit }
  | { readonly kind: 'child' | 'progress' | 'question'; readonly unit: TreeUnit; readonly child: TreeChild }

/** Holds what is to be seen. Events of units it was never told of are nothing to it. */
export interface TreeState {
  /** Live ones, oldest first. */
  readonly units: ReadonlyMap<string, TreeUnit>
  /** Null where nothing of it is shown. A unit leaves with its completion: it is the caller's to show for the last time. */
  apply(event: DelegatorEvent): TreeChange | null
}

const shownCharacters = 400
const noFacts: ChildFacts = {
  current_tool: null,
  api_calls: 0,
  usage: { input_tokens: 0, output_tokens: 0, cost_usd: 0 },
}

/** `nowMs` is monotonic. */
export function createTreeState(nowMs: () => number, start: DelegatorSnapshot): TreeState {
  const units = new Map<string, TreeUnit>()
  for (const unit of start.units) restore(unit)

  function restore(unit: DelegatorSnapshot['units'][number]): void {
    const { delegation_id: id, parent_id: parentId, state: status, seconds } = unit
    const now = nowMs()
    const children = unit.children.map(({ task_index: index, goal, state, seconds: took, ...facts }) => ({
      ...newChild(index, goal),
      state: onOneLine(state),
      isEnded: !liveWords.has(state),
      startedMs: state === 'waiting' ? null : now - took * 1000,
      endedMs: liveWords.has(state) ? null : now,
      tool: shown(facts.current_tool),
      facts,
    }))
    units.set(id, { id, parentId, startedMs: now - seconds * 1000, endedMs: null, status, children })
  }

  function end(child: TreeChild, status: string | undefined, error: string | null | undefined): void {
    if (child.isEnded) return
    child.state = onOneLine(status ?? 'unknown')
    child.isEnded = true
    child.endedMs = nowMs()
    child.tool = ''
    child.asks = null
    if (!isGood(child.state)) child.error = shown(error)
  }

  function dispatched(payload: DelegatorEventMap['dispatched'][0]): TreeChange {
    const { delegation_id: id, goals, task_indexes: own, parent_id: parentId = null } = payload
    const children = own.map((index) => newChild(index, goals[index] ?? ''))
    const unit: TreeUnit = { id, parentId, startedMs: nowMs(), endedMs: null, status: 'running', children }
    units.set(id, unit)
    return { kind: 'dispatched', unit }
  }

  function child(payload: DelegatorEventMap['child'][0]): TreeChange | null {
    const { unit, child: one } = find(payload)
    if (unit === undefined || one === undefined) return null
    const { state, result } = payload
    one.facts = factsOf(payload)
    if (result !== undefined) end(one, result.status ?? state, result.error)
    else if (!one.isEnded) {
      one.state = onOneLine(state)
      one.startedMs ??= nowMs()
    }
    return { kind: 'child', unit, child: one }
  }

  function progress(payload: DelegatorEventMap['progress'][0]): TreeChange | null {
    const { unit, child: one } = find(payload)
    if (unit === undefined || one === undefined || one.isEnded) return null
    one.facts = factsOf(payload)
    one.tool = shown(payload.current_tool)
    const line = payload.lines.at(-1)
    // The time and the role in front of a line are for the file.
    if (line !== undefined) one.line = shown(line).replace(/^\S+ [^|]*\| /, '')
    return { kind: 'progress', unit, child: one }
  }

  function question(payload: DelegatorEventMap['question'][0]): TreeChange | null {
    const { unit, child: one } = find(payload)
    if (unit === undefined || one === undefined || one.isEnded) return null
    one.asks = payload.state === 'open' ? { text: shown(payload.text), how: howToAnswer(payload) } : null
    return { kind: 'question', unit, child: one }
  }

  function completion(event: AsyncDelegationEvent): TreeChange | null {
    const unit = units.get(event.delegation_id)
    if (unit === undefined) return null
    units.delete(unit.id)
    unit.status = onOneLine(event.status)
    unit.endedMs = nowMs()
    const results = event.is_batch === true ? event.results : []
    // One function may have run the whole batch: then this is the first that is heard of its children's ends.
    for (const one of unit.children) {
      const result = results.find(({ task_index: index }) => index === one.index)
      end(one, result?.status ?? event.status, result?.error ?? event.error)
    }
    return { kind: 'completion', unit }
  }

  function find(of: { readonly delegation_id: string; readonly task_index: number }) {
    const unit = units.get(of.delegation_id)
    return { unit, child: unit?.children.find(({ index }) => index === of.task_index) }
  }

  return {
    units,
    apply(event) {
      if (event.n <= start.n) return null
      switch (event.type) {
        case 'dispatched':
          return dispatched(event.payload)
        case 'child':
          return child(event.payload)
        case 'progress':
          return progress(event.payload)
        case 'question':
          return question(event.payload)
        case 'completion':
          return completion(event.payload)
        case 'unit': {
          const unit = units.get(event.payload.delegation_id)
          if (unit === undefined) return null
          unit.status = event.payload.state
          return { kind: 'unit', unit }
        }
        case 'gone': {
          // Another owner has taken it over, or the ledger has failed: there was no completion.
          const unit = units.get(event.payload.delegation_id)
          if (unit === undefined) return null
          units.delete(unit.id)
          unit.endedMs = nowMs()
          return { kind: 'gone', unit }
        }
        case 'refused':
        case 'budget':
        case 'closing':
        case 'fault':
          return null
      }
    },
  }
}

function newChild(index: number, goal: string): TreeChild {
  return {
    index,
    goal: shown(goal),
    state: 'waiting',
    isEnded: false,
    startedMs: null,
    endedMs: null,
    tool: '',
    line: '',
    error: '',
    asks: null,
    facts: noFacts,
  }
}

/** The facts alone: an event carries more. */
function factsOf({ current_tool, api_calls, usage }: ChildFacts): ChildFacts {
  return { current_tool, api_calls, usage }
}

function shown(text: string | null | undefined): string {
  return onOneLine((text ?? '').slice(0, shownCharacters))
}

/** What the children of a unit used together. */
export function totalOf({ children }: TreeUnit): Pick<ChildFacts, 'api_calls' | 'usage'> {
  const sum = (of: (facts: ChildFacts) => number): number =>
    children.reduce((total, { facts }) => total + of(facts), 0)
  return {
    api_calls: sum((facts) => facts.api_calls),
    usage: {
      input_tokens: sum(({ usage }) => usage.input_tokens),
      output_tokens: sum(({ usage }) => usage.output_tokens),
      cost_usd: sum(({ usage }) => usage.cost_usd),
    },
  }
}

/** `success` is some runners' word for `completed`. */
export function isGood(status: string): boolean {
  return status === 'completed' || status === 'success'
}
