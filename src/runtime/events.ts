import { EventEmitter } from 'eventemitter3'
import type { Logger } from 'pino'
import type { ChildFacts } from '../core/child-facts.js'
import type { AsyncDelegationEvent, ChildResult } from '../core/event.js'
import type { JsonObject } from '../core/json.js'
import type { OpenQuestion } from '../core/question.js'
import type { Rejected } from '../core/refusal.js'
import type { TraceContext } from '../core/trace-context.js'
import type { BudgetWarning } from './budget-charges.js'

/**
 * Everything a delegator tells while it works. Payloads are plain data. What is told of a state is the state as it is
 * then, so that it may be applied to a snapshot that holds it already.
 */
export interface DelegatorEventMap {
  /** A unit was admitted, or taken over from an owner that died: then its children may have ended before. */
  dispatched: [
    {
      readonly delegation_id: string
      /** Of the whole call, where it was split into several units. */
      readonly goals: readonly string[]
      /** Which of them are its children. */
      readonly task_indexes: readonly number[]
      readonly session_key: string
      /** The unit below which it stands; absent for one that the host dispatched. */
      readonly parent_id?: string
      /** Units of one key share one slot (P2). */
      readonly slot_key: string
      readonly trace_context?: TraceContext
      readonly taken_over?: true
    },
  ]
  /** A dispatch was not admitted (R15: nothing else is left of it). */
  refused: [Rejected]
  /** A child changed its state; `result` once it has ended. */
  child: [
    ChildFacts & {
      readonly delegation_id: string
      readonly task_index: number
      readonly goal: string
      readonly state: string
      readonly result?: ChildResult
    },
  ]
  /** What became visible of a running child: all progress so far, and its newest transcript lines. Ten times a second at most. */
  progress: [
    ChildFacts & {
      readonly delegation_id: string
      readonly task_index: number
      readonly progress: JsonObject | null
      readonly lines: readonly string[]
    },
  ]
  /** A child waits for an answer, or does so no longer: `answered`, `timed_out`, or `dropped` with its child. */
  question: [
    OpenQuestion & {
      readonly delegation_id: string
      readonly state: 'open' | 'answered' | 'timed_out' | 'dropped'
    },
  ]
  /** A unit changed its state: `stalling`, `interrupting`, `finalizing`, then its terminal word. */
  unit: [{ readonly delegation_id: string; readonly state: string }]
  /** The final event of a unit, once the ledger has it (P3). Telling is not delivering: claim it to take it. */
  completion: [AsyncDelegationEvent]
  /** Most of a budget is used: told once, on the way past 80 % of it. */
  budget: [BudgetWarning]
  /** Nothing of a unit runs any more: it is out of the snapshot, and its slot is free unless it shares it (P6). */
  gone: [{ readonly delegation_id: string }]
  /** `close` was called: nothing more is admitted. */
  closing: []
  /** A fault of ours or of the ledger that no caller was there to be told of. */
  fault: [Error]
}

type Names = keyof DelegatorEventMap
type Listener<Name extends Names> = (...payload: DelegatorEventMap[Name]) => void

/**
 * One thing that happened, whatever it is: `type` says which payload it carries (null for those that carry none). `n`
 * counts what one delegator tells, from 1; see `snapshot`.
 */
export type DelegatorEvent = {
  readonly [Name in Names]: {
    readonly n: number
    readonly type: Name
    readonly payload: DelegatorEventMap[Name] extends [infer Payload] ? Payload : null
  }
}[Names]

/**
 * What a host may listen to. A listener that throws, or whose promise is rejected, is logged; it stops neither the work
 * nor the other listeners.
 */
export interface DelegatorEvents {
  on<Name extends Names>(name: Name, listener: Listener<Name>): void
  once<Name extends Names>(name: Name, listener: Listener<Name>): void
  off<Name extends Names>(name: Name, listener: Listener<Name>): void
  /** Everything, in the order of `n` and without a gap. Returns the way to stop it. */
  onAny(listener: (event: DelegatorEvent) => void): () => void
}

export interface EventHub {
  readonly events: DelegatorEvents
  /** Of the last event; 0 before the first. */
  readonly n: number
  emit<Name extends Names>(name: Name, ...payload: DelegatorEventMap[Name]): void
  /** False: building a payload would be for nobody. */
  isHeard(name: Names): boolean
}

type AnyListener = (...payload: unknown[]) => unknown

/** What is told while something is told waits until that was heard by all: everyone hears everything in one order. */
export function createEventHub(logger: Logger): EventHub {
  const emitter = new EventEmitter()
  const guards = new WeakMap<AnyListener, AnyListener>()
  const anyListeners = new Set<(event: DelegatorEvent) => void>()
  const waiting: DelegatorEvent[] = []
  let n = 0
  let isTelling = false

  /** eventemitter3 stops at the first listener that throws; a guarded one does not. */
  function guarded(name: string, listener: AnyListener): AnyListener {
    const known = guards.get(listener)
    if (known !== undefined) return known
    const fault = (error: unknown): void => logger.error({ err: error, event: name }, 'a listener threw')
    const guard: AnyListener = (...payload) => {
      try {
        const returned = listener(...payload)
        if (returned instanceof Promise) returned.catch(fault)
      } catch (error) {
        fault(error)
      }
    }
    guards.set(listener, guard)
    return guard
  }

  const isHeard = (name: Names): boolean => anyListeners.size > 0 || emitter.listenerCount(name) > 0

  function tell(event: DelegatorEvent): void {
    if (event.payload === null) emitter.emit(event.type)
    else emitter.emit(event.type, event.payload)
    for (const listener of [...anyListeners]) listener(event)
  }

  function emit<Name extends Names>(name: Name, ...payload: DelegatorEventMap[Name]): void {
    if (!isHeard(name)) return
    const event = { n: (n += 1), type: name, payload: payload[0] ?? null } as DelegatorEvent
    if (isTelling) {
      waiting.push(event)
      return
    }
    isTelling = true
    try {
      tell(event)
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) tell(next)
    } finally {
      isTelling = false
    }
  }

  return {
    events: {
      on: (name, listener) => void emitter.on(name, guarded(name, listener as unknown as AnyListener)),
      once: (name, listener) => void emitter.once(name, guarded(name, listener as unknown as AnyListener)),
      off: (name, listener) => void emitter.off(name, guarded(name, listener as unknown as AnyListener)),
      onAny(given) {
        const guard = guarded('any', (event) => given(event as DelegatorEvent))
        anyListeners.add(guard)
        return () => void anyListeners.delete(guard)
      },
    },
    get n() {
      return n
    },
    emit,
    isHeard,
  }
}
