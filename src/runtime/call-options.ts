/** What a caller says with a dispatch. */
import type { JsonObject } from '../core/json.js'
import type { TraceContext } from '../core/trace-context.js'
import type { RunnerContext } from '../runner.js'
import type { UnitBudget } from './budget-options.js'
import type { Isolation, RunnerInput } from './options.js'

/** What single and batch have in common. */
export interface CallOptions {
  /** What the child should know besides its goal; at most 1 MB. */
  readonly context?: string | null
  /** @defaultValue null: the runner's own; an empty list means the same (R12) */
  readonly toolsets?: readonly string[] | null
  /** @defaultValue 'leaf' */
  readonly role?: string
  readonly model?: string | null
  /** @defaultValue that of `withSession`, else `''` (R20) */
  readonly sessionKey?: string
  readonly parentSessionId?: string
  readonly originUiSessionId?: string
  readonly originSessionId?: string
  readonly runner?: RunnerInput
  /**
   * `collect`: no drain gets its event, only who asks for it by its id; once `wait` with `collect` has returned it, it
   * is gone.
   * @defaultValue 'claim'
   */
  readonly delivery?: 'claim' | 'collect'
  /**
   * How a question of a child reaches the host. `turn`: as an event on the rail of completions, which is a turn of its own
   * (and by the `question` event). `event`: by that alone. Units with `delivery: 'collect'` ask by `event`.
   * @defaultValue 'turn'
   */
  readonly askAs?: 'turn' | 'event'
  /** Handed back in the event, as it is. */
  readonly metadata?: JsonObject
  /** The trace it belongs to; its children get it as `task.traceContext`, to be passed on. @throws OPTION_INVALID */
  readonly traceContext?: TraceContext
  /** The same key and the same arguments give the first call's handle, for 7 days; other arguments are refused. */
  readonly idempotencyKey?: string
  /** The cap of this call (R14). @defaultValue that of the delegator */
  readonly maxUnits?: number
  /** The caller is ready to wait this long for a slot, ms. @defaultValue 0: a full delegator refuses at once (P1) */
  readonly admitWithinMs?: number
  /**
   * What all summaries of the unit may have together, characters: a share of what is left of the caller's context. 0 for
   * no bound. @defaultValue that of the delegator
   */
  readonly maxUnitSummaryCharacters?: number
  /** Wall clock limit of each child, seconds; 0 for none. @defaultValue that of the delegator */
  readonly childTimeoutSeconds?: number
  /** Wall clock limit of the unit from its dispatch, seconds; 0 for none. @defaultValue that of the delegator */
  readonly deadlineSeconds?: number
  /** How many turns a runner that loops may take; from 1. @defaultValue that of the delegator */
  readonly maxIterations?: number
  /** What the unit may use, reserved when it is admitted. @defaultValue what the delegator's `budgets` say */
  readonly budget?: UnitBudget
  /**
   * JSON Schema, draft 2020-12 or draft-07, at most 64 kB: what each child's `output`, or the JSON in its summary, has to
   * fit. It is judged in the child's own thread; one that does not fit is `failed`, with `schema_errors`. Needs a runner
   * by reference. @throws SCHEMA_INVALID, SCHEMA_TOO_LARGE
   */
  readonly outputSchema?: JsonObject
  /** Where isolated children run. @defaultValue that of the delegator */
  readonly isolation?: Isolation
}

export interface DispatchOptions extends CallOptions {
  /** What to do; at most 64 kB. */
  readonly goal: string
  /**
   * Goes on from a child that has ended: it gets that one's last checkpoint (`ctx.resumeFrom`), its summary and the end of
   * its transcript (`task.continued`). The runner, model, toolsets and role are its own unless the call names others.
   * @defaultValue none: the child begins anew
   */
  readonly continueFrom?: ContinueFrom
}

/** A unit of one child by its id, or a child of it by its index, from 0. */
export type ContinueFrom = string | { readonly id: string; readonly taskIndex?: number }

/** One child of a batch. What it does not say is the batch's. */
export interface BatchTask {
  readonly goal: string
  readonly context?: string | null
  readonly role?: string
  readonly model?: string | null
  readonly maxIterations?: number
  readonly runner?: RunnerInput
  /** With `independentCompletions`: tasks of one group end as one unit. At most 200 characters. */
  readonly group?: string
  readonly outputSchema?: JsonObject
}

/** What the whole-batch form returns (R31). */
export interface WholeBatchResult extends JsonObject {
  readonly results?: readonly JsonObject[]
  readonly total_duration_seconds?: number | null
  readonly error?: string | null
}

/** One function that runs all children of a batch itself, on the host's own event loop (R31). */
export type WholeBatchRun = (
  ctx: RunnerContext,
) => WholeBatchResult | null | undefined | void | Promise<WholeBatchResult | null | undefined | void>

/** What a host hears of a batch before its end. */
export interface BatchTells {
  /**
   * `all`: one event when all children have ended. `each`: every child's end is an event of its own, too, marked
   * `status: 'running'`. `first`: the first success ends the unit; the others are interrupted.
   * @defaultValue 'all'
   */
  readonly completionPolicy?: 'all' | 'each' | 'first'
  /** A child that fails while its siblings run is told at once, as an event of its own (spec 2.9). @defaultValue false */
  readonly earlyFailureNotice?: boolean
}

export interface DispatchBatchOptions extends CallOptions, BatchTells {
  /** At most 10,000. */
  readonly goals?: readonly string[]
  /** In place of `goals`, where children differ. */
  readonly tasks?: readonly BatchTask[]
  /**
   * Splits the call into units with completions of their own: one for each distinct `group` of its tasks, and one for
   * each task without. They are `<delegationId>-1` and so on, share one slot, and are at most 100.
   * @defaultValue that of the delegator
   */
  readonly independentCompletions?: boolean
  /** In place of a runner per child: the original's own form. The batch may then be empty (R33). */
  readonly run?: WholeBatchRun
}
