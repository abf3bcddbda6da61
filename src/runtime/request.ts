/** What a caller may ask for, and what is wrong with it before anything is admitted. */
import { DelegationError } from '../core/errors.js'
import { kindOf } from '../core/shown-value.js'
import type { JsonObject } from '../core/json.js'
import type { Runner, RunnerContext, RunnerReference } from '../runner.js'
import {
  checkedContext,
  checkedCount,
  checkedGoal,
  checkedMetadata,
  checkedNumber,
  checkedWidth,
  checkCall,
  checkedNames,
  checkTexts,
  checkWord,
  plainCopy,
} from './checked.js'
import { isReference } from './option-shapes.js'
import type { SummaryBudget } from '../core/summary-budget.js'
import type { UnitTells } from './unit-plan.js'
import { isIsolation, type Isolation, type ResolvedOptions, type RunnerInput } from './options.js'

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
  /** Handed back in the event, as it is. */
  readonly metadata?: JsonObject
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
  /** Where isolated children run. @defaultValue that of the delegator */
  readonly isolation?: Isolation
}

export interface DispatchOptions extends CallOptions {
  /** What to do; at most 64 kB. */
  readonly goal: string
}

/** One child of a batch. What it does not say is the batch's. */
export interface BatchTask {
  readonly goal: string
  readonly context?: string | null
  readonly role?: string
  readonly model?: string | null
  readonly runner?: RunnerInput
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
  /** In place of a runner per child: the original's own form. The batch may then be empty (R33). */
  readonly run?: WholeBatchRun
}

/** One child, with every default filled in. */
interface ChildRequest {
  readonly goal: string
  readonly context: string | null
  readonly role: string
  readonly model: string | null
  readonly runner: RunnerReference | Runner
}

/** A call that can be admitted. */
export interface UnitRequest {
  readonly form: 'single' | 'children' | 'whole'
  /** Null for a single unit. */
  readonly goals: readonly string[] | null
  readonly children: readonly ChildRequest[]
  readonly context: string | null
  readonly toolsets: readonly string[] | null
  readonly metadata: JsonObject | null
  readonly role: string
  readonly model: string | null
  readonly sessionKey: string
  readonly maxUnits: number
  readonly admitWithinMs: number
  readonly childTimeoutSeconds: number
  readonly summaryBudget: SummaryBudget
  readonly tells: UnitTells
}

/** @throws {DelegationError} with the code of the first thing that is wrong. */
export function singleRequest(call: DispatchOptions, options: ResolvedOptions, session: string): UnitRequest {
  checkCall(call)
  const child = childRequest(call, call, options, '')
  return Object.assign(common(call, options, session), {
    form: 'single' as const,
    goals: null,
    children: [child],
  })
}

/** @throws {DelegationError} with the code of the first thing that is wrong. */
export function batchRequest(
  call: DispatchBatchOptions,
  options: ResolvedOptions,
  session: string,
): UnitRequest {
  checkCall(call)
  checkRun(call)
  const shared = common(call, options, session)
  const tasks = tasksOf(call)
  if (call.run !== undefined) {
    const goals = tasks.map(({ goal }, index) => checkedGoal(goal, ` of task ${index}`))
    const run = call.run
    const whole = { goal: '', context: shared.context, role: shared.role, model: shared.model }
    const runner: Runner = (_task, ctx) => run(ctx)
    return { ...shared, form: 'whole', goals, children: [{ ...whole, runner }] }
  }
  if (tasks.length === 0) throw new DelegationError('GOALS_EMPTY', { goals: 0, at_least: 1 })
  const children = tasks.map((task, index) => childRequest(task, call, options, ` of task ${index}`))
  return { ...shared, form: 'children', goals: children.map(({ goal }) => goal), children }
}

function tasksOf(call: DispatchBatchOptions): readonly BatchTask[] {
  const { goals, tasks } = call
  if (tasks !== undefined) {
    if (!Array.isArray(tasks)) throw new DelegationError('TASKS_NOT_A_LIST', { given: kindOf(tasks) })
    checkedWidth(tasks)
    for (const [index, task] of (tasks as readonly unknown[]).entries()) {
      if (typeof task === 'object' && task !== null) continue
      throw new DelegationError('TASKS_NOT_A_LIST', { [`task ${index}`]: kindOf(task) })
    }
    return tasks as readonly BatchTask[]
  }
  if (!Array.isArray(goals)) throw new DelegationError('GOALS_NOT_A_LIST', { given: kindOf(goals) })
  checkedWidth(goals)
  // Not `map`, which passes over holes: they are goals that are missing.
  return Array.from(goals as readonly string[], (goal) => ({ goal }))
}

function childRequest(
  task: BatchTask,
  call: CallOptions,
  options: ResolvedOptions,
  where: string,
): ChildRequest {
  const { isolation = options.isolation } = call
  if (!isIsolation(isolation))
    throw new DelegationError('OPTION_INVALID', { isolation, expected: "'thread' or 'process'" })
  checkTexts(task, ['context', 'role', 'model'], where)
  return {
    goal: checkedGoal(task.goal, where),
    context: checkedContext(task.context ?? call.context ?? null, where),
    role: task.role ?? call.role ?? 'leaf',
    model: task.model ?? call.model ?? null,
    runner: placed(resolveRunner(task.runner ?? call.runner ?? options.runner, options), isolation),
  }
}

function common(call: CallOptions & BatchTells, options: ResolvedOptions, session: string) {
  const { toolsets, metadata, admitWithinMs = 0, maxUnitSummaryCharacters } = call
  const { completionPolicy = 'all', earlyFailureNotice = false, delivery = 'claim' } = call
  checkWord('completionPolicy', completionPolicy, policies)
  const { childTimeoutSeconds = options.childTimeoutSeconds } = call
  checkTexts(call, callTexts, '')
  checkWord('delivery', delivery, deliveries)
  return {
    context: checkedContext(call.context ?? null, ''),
    toolsets: checkedNames('toolsets', toolsets),
    metadata: metadata === undefined ? null : checkedMetadata(metadata),
    role: call.role ?? 'leaf',
    model: call.model ?? null,
    sessionKey: call.sessionKey ?? session,
    maxUnits: call.maxUnits === undefined ? options.maxUnits : checkedCount('maxUnits', call.maxUnits),
    admitWithinMs: checkedNumber('admitWithinMs', admitWithinMs),
    childTimeoutSeconds: checkedNumber('childTimeoutSeconds', childTimeoutSeconds),
    tells: {
      policy: completionPolicy,
      earlyFailure: earlyFailureNotice,
      graceMs: options.interruptGraceMs,
    },
    summaryBudget:
      maxUnitSummaryCharacters === undefined
        ? options.summaryBudget
        : {
            ...options.summaryBudget,
            unitCharacters: checkedCount('maxUnitSummaryCharacters', maxUnitSummaryCharacters),
          },
  }
}

/** One function for all, or a runner for each. */
function checkRun({ run, runner }: DispatchBatchOptions): void {
  if (run === undefined) return
  if (typeof run !== 'function') {
    throw new DelegationError('OPTION_INVALID', { run: kindOf(run), expected: 'a function' })
  }
  if (runner === undefined) return
  throw new DelegationError('OPTION_INVALID', { run: 'given', runner: 'given', expected: 'one of the two' })
}

const policies = ['all', 'each', 'first'] as const
const deliveries = ['claim', 'collect'] as const

const callTexts = [
  'context',
  'role',
  'model',
  'sessionKey',
  'parentSessionId',
  'originUiSessionId',
  'originSessionId',
  'idempotencyKey',
] as const

function resolveRunner(given: unknown, options: ResolvedOptions): RunnerReference | Runner {
  const runner = runnerOf(given, options)
  return typeof runner === 'function' ? runner : checkedReference(runner)
}

/** The placement is the reference's own from here on: what runs it, records it or runs it again need not ask. */
function placed(runner: RunnerReference | Runner, isolation: Isolation): RunnerReference | Runner {
  if (isolation === 'thread' || typeof runner === 'function') return runner
  return (runner.placement ?? 'isolated') === 'isolated' ? { ...runner, placement: 'process' } : runner
}

function runnerOf(runner: unknown, { runners }: ResolvedOptions): RunnerReference | Runner {
  if (runner === undefined || runner === null) throw new DelegationError('RUNNER_MISSING')
  if (typeof runner === 'function') return runner as Runner
  if (typeof runner === 'string') {
    const named = Object.hasOwn(runners, runner) ? runners[runner] : undefined
    if (named !== undefined) return named
    const known = Object.keys(runners).join(', ') || 'none'
    throw new DelegationError('RUNNER_UNKNOWN', { runner, configured: known })
  }
  if (isReference(runner)) return runner
  throw new DelegationError('RUNNER_INVALID', {
    given: kindOf(runner),
    expected: 'a reference, the name of a configured runner, or a function',
  })
}

/** References that were found to be plain data: most are dispatched many times. */
const plainReferences = new WeakSet<RunnerReference>()

const placements: readonly unknown[] = ['isolated', 'process', 'shared', undefined]

function checkedReference(runner: RunnerReference): RunnerReference {
  const { placement } = runner
  // Who is to be kept in a process must not end up in a thread for a slip of the pen.
  if (!placements.includes(placement))
    throw new DelegationError('RUNNER_INVALID', { placement, expected: 'isolated, process or shared' })
  if (runner.onOwnerDeath === 'retry' && runner.idempotent !== true) {
    throw new DelegationError('RUNNER_INVALID', {
      onOwnerDeath: 'retry',
      expected: 'idempotent: true with it',
    })
  }
  if (plainReferences.has(runner) || runner.options === undefined) return runner
  plainCopy('RUNNER_INVALID', 'options', runner.options)
  plainReferences.add(runner)
  return runner
}
