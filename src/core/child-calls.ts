/** What a child says with the calls of its context, and what they give back. */
import type { JsonObject } from './json.js'

export interface AskOptions {
  /** How long the question stands, s. @defaultValue as long as the child runs */
  readonly timeoutSeconds?: number
  /** What counts as the answer when nobody gave one in time. @defaultValue none: then the promise is rejected */
  readonly default?: string
  /** What to choose from, 50 at most. They are shown; any answer is passed on. @defaultValue any text */
  readonly choices?: readonly string[]
}

/** One of the names that children share; see `ctx.lease`. */
export interface LeaseOffer {
  readonly name: string
  /** 0: now. Above that somebody has said that it has to rest. */
  readonly ready_in_seconds: number
}

export interface LeaseChange {
  /** Which one it uses from now on. @defaultValue the first that is offered */
  readonly use?: string
  /** Which have to rest, for all children: seconds by name, 3,600 at most. */
  readonly rest?: Readonly<Record<string, number>>
}

/** One child of a nested unit. What it does not say is the call's. */
export interface DelegateTask {
  readonly goal: string
  readonly context?: string | null
  readonly role?: string
  readonly model?: string | null
  readonly runner?: string
  readonly maxIterations?: number
  readonly outputSchema?: JsonObject
}

/** One of `goal`, `goals` and `tasks`; the bounds are those of `dispatchBatch`. */
export interface DelegateCall {
  readonly goal?: string
  readonly goals?: readonly string[]
  readonly tasks?: readonly DelegateTask[]
  readonly context?: string | null
  /** Some of the child's own. @defaultValue all of them */
  readonly toolsets?: readonly string[] | null
  /** @defaultValue 'leaf' */
  readonly role?: string
  /** @defaultValue the child's own */
  readonly model?: string | null
  /** The name of a runner that the host has configured. @defaultValue the child's own runner */
  readonly runner?: string
  /** @defaultValue the delegator's */
  readonly childTimeoutSeconds?: number
  /** Of the whole nested unit; it ends with the one above it anyway. @defaultValue the delegator's */
  readonly deadlineSeconds?: number
  /** Has to fit into what is left of the budget above it. @defaultValue what is left there */
  readonly budget?: { readonly tokens?: number; readonly costUsd?: number }
  /** @defaultValue the child's own */
  readonly maxIterations?: number
  /** What each result has to fit, unless its task says otherwise. @defaultValue none */
  readonly outputSchema?: JsonObject
  /** `first`: the first success ends the unit. @defaultValue 'all' */
  readonly completionPolicy?: 'all' | 'first'
  /** @defaultValue the delegator's */
  readonly maxUnitSummaryCharacters?: number
}

/** What became of a nested unit: `results` in the order of its goals, `status` as a batch's. */
export interface Delegated {
  /** `rejected`: nothing was started, and `refusal` says what was full. */
  readonly status: string
  /** Null when nothing was started, because the child itself had been stopped. */
  readonly delegation_id?: string | null
  readonly results?: readonly JsonObject[]
  readonly total_duration_seconds?: number
  readonly error: string | null
  readonly refusal?: JsonObject
}
