import { EventEmitter } from 'eventemitter3'
import type { Logger } from 'pino'
import type { AsyncDelegationEvent, ChildResult } from '../core/event.js'
import type { JsonObject } from '../core/json.js'
import type { OpenQuestion } from '../core/question.js'
import type { Rejected } from '../core/refusal.js'

/** Everything a delegator tells while it works. Payloads are plain data. */
export interface DelegatorEventMap {
  /** A unit was admitted. */
  dispatched: [
    { readonly delegation_id: string; readonly goals: readonly string[]; readonly session_key: string },
  ]
  /** A dispatch was not admitted (R15: nothing else is left of it). */
  refused: [Rejected]
  /** A child changed its state; `result` once it has ended. */
  child: [
    {
      readonly delegation_id: string
      readonly task_index: number
      readonly goal: string
      readonly state: string
      readonly result?: ChildResult
    },
  ]
  /** What became visible of a running child: all progress so far, and its newest transcript lines. */
  progress: [
    {
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
  /** The final event of a unit, once the ledger has it (P3). Telling is not delivering: claim it to take it. */
  completion: [AsyncDelegationEvent]
  /** `close` was called: nothing more is admitted. */
  closing: []
  /** A fault of ours or of the ledger that no caller was there to be told of. */
  fault: [Error]
}

type Names = keyof DelegatorEventMap
type Listener<Name extends Names> = (...payload: DelegatorEventMap[Name]) => void

/**
 * What a host may listen to. A listener that throws, or whose promise is rejected, is logged; it stops neither the work
 * nor the other listeners.
 */
export interface DelegatorEvents {
  on<Name extends Names>(name: Name, listener: Listener<Name>): void
  once<Name extends Names>(name: Name, listener: Listener<Name>): void
  off<Name extends Names>(name: Name, listener: Listener<Name>): void
}

export interface EventHub {
  readonly events: DelegatorEvents
  emit<Name extends Names>(name: Name, ...payload: DelegatorEventMap[Name]): void
  /** False: building a payload would be for nobody. */
  isHeard(name: Names): boolean
}

export function createEventHub(logger: Logger): EventHub {
  const emitter = new EventEmitter()
  type AnyListener = (...payload: unknown[]) => unknown
  const guards = new WeakMap<AnyListener, AnyListener>()

  /** eventemitter3 stops at the first listener that throws; a guarded one does not. */
  function guarded<Name extends Names>(name: Name, given: Listener<Name>): AnyListener {
    const listener = given as unknown as AnyListener
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

  return {
    events: {
      on: (name, listener) => void emitter.on(name, guarded(name, listener)),
      once: (name, listener) => void emitter.once(name, guarded(name, listener)),
      off: (name, listener) => void emitter.off(name, guarded(name, listener)),
    },
    emit: (name, ...payload) => void emitter.emit(name, ...payload),
    isHeard: (name) => emitter.listenerCount(name) > 0,
  }
}
