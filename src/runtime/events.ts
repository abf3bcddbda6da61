import { EventEmitter } from 'eventemitter3'
import type { Logger } from 'pino'
import type { AsyncDelegationEvent, ChildResult } from '../core/event.js'
import type { JsonObject } from '../core/json.js'
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
  /** The final event of a unit, once the ledger has it (P3). Telling is not delivering: claim it to take it. */
  completion: [AsyncDelegationEvent]
  /** A fault of ours or of the ledger that no caller was there to be told of. */
  fault: [Error]
}

/** What a host may listen to. A listener that throws is logged; it stops neither the work nor the other listeners. */
export type DelegatorEvents = Pick<EventEmitter<DelegatorEventMap>, 'on' | 'once' | 'off' | 'listenerCount'>

export interface EventHub {
  readonly events: DelegatorEvents
  emit<Name extends keyof DelegatorEventMap>(name: Name, ...payload: DelegatorEventMap[Name]): void
}

export function createEventHub(logger: Logger): EventHub {
  const emitter = new EventEmitter<DelegatorEventMap>()
  return {
    events: emitter,
    emit(name, ...payload) {
      if (emitter.listenerCount(name) === 0) return
      // eventemitter3 stops at the first listener that throws: each is called alone instead. A listener of `once`
      // is known to the emitter only, so it goes through it.
      for (const listener of emitter.listeners(name)) {
        try {
          ;(listener as (...args: DelegatorEventMap[Name]) => void)(...payload)
        } catch (error) {
          logger.error({ err: error, event: name }, 'a listener threw')
        }
      }
    },
  }
}
