/** What a caller may ask for, and what is wrong with it before anything is admitted. */
import { DelegationError } from '../core/errors.js'
import { kindOf } from '../core/shown-value.js'
import { checkedTraceContext, type TraceContext } from '../core/trace-context.js'
import type { Json, JsonObject } from '../core/json.js'
import type { ContinuedTask, Runner, RunnerReference } from '../runner.js'
import type {
  CallOptions,
  DispatchOptions,
  BatchTask,
  BatchTells,
  DispatchBatchOptions,
} from './call-options.js'
import {
  checkedContext,
  checkedCount,
  checkedGoal,
  checkedMetadata,
  checkedNumber,
  checkedWidth,
  checkCall,
  checkFlag,
  checkedNames,
  checkTexts,
  checkWord,
  plainCopy,
} from './checked.js'
import { checkedBudget, checkedDeadline, checkedIterations } from './budget-options.js'
import type { Budget } from '../core/budget.js'
import type { Continuation } from './continuing.js'
import { isReference } from './option-shapes.js'
import { checkedSchema, withSchema } from './output-schema.js'
import type { SummaryBudget } from '../core/summary-budget.js'
import type { NestedLink, UnitTells } from './unit-plan.js'
import { checkedGroup, taskGroups, type TaskGroup } from './groups.js'
import type { Unit } from './unit.js'
import { isIsolation, type Isolation, type ResolvedOptions } from './options.js'

/** One child, with every default filled in. */
interface ChildRequest {
  readonly goal: string
  readonly context: string | null
  readonly role: string
  readonly model: string | null
  readonly maxIterations: number
  readonly runner: RunnerReference | Runner
  /** Of a child that goes on from another one. */
  readonly continued?: ContinuedTask
  readonly resumeFrom?: Json
  readonly outputSchema?: JsonObject
}

/** A call that can be admitted. */
export interface UnitRequest {
  readonly form: 'single' | 'children' | 'whole'
  /** Null for a single unit. */
  readonly goals: readonly string[] | null
  readonly children: readonly ChildRequest[]
  /** The child that asks for it; null for a call of the host. */
  readonly parent: NestedLink | null
  /** Who let the call in is told of its units. */
  readonly onStarted?: (unit: Unit) => void
  /** The units of a call that is split; null for a call that is one unit. */
  readonly groups: readonly TaskGroup[] | null
  readonly context: string | null
  readonly toolsets: readonly string[] | null
  readonly metadata: JsonObject | null
  readonly traceContext: TraceContext | null
  readonly role: string
  readonly model: string | null
  readonly sessionKey: string
  readonly maxUnits: number
  readonly admitWithinMs: number
  readonly childTimeoutSeconds: number
  /** Of the whole unit, from its dispatch; 0 for none. */
  readonly deadlineSeconds: number
  readonly budget: Budget
  readonly summaryBudget: SummaryBudget
  readonly tells: UnitTells
}

/** @throws {DelegationError} with the code of the first thing that is wrong. */
export function singleRequest(
  call: DispatchOptions,
  options: ResolvedOptions,
  session: string,
  from: Pick<Continuation, 'continued' | 'resumeFrom'> | null = null,
): UnitRequest {
  checkCall(call)
  const child = childRequest(call, call, options, '')
  const outputSchema = checkedSchema(call.outputSchema, '')
  return Object.assign(common(call, options, session), {
    form: 'single' as const,
    goals: null,
    groups: null,
    children: [
      withSchema(
        from === null ? child : { ...child, continued: from.continued, resumeFrom: from.resumeFrom },
        outputSchema,
      ),
    ],
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
  if ('continueFrom' in call)
    throw new DelegationError('OPTION_INVALID', { continueFrom: 'of a batch', expected: 'a single dispatch' })
  const shared = common(call, options, session)
  const tasks = tasksOf(call)
  const outputSchema = checkedSchema(call.outputSchema, '')
  if (call.run !== undefined) {
    const goals = tasks.map(({ goal }, index) => checkedGoal(goal, ` of task ${index}`))
    const run = call.run
    const { context, role, model } = shared
    const maxIterations = checkedIterations(call.maxIterations ?? options.maxIterations, '')
    const whole = { goal: '', context, role, model, maxIterations }
    const runner: Runner = (_task, ctx) => run(ctx)
    const child = withSchema({ ...whole, runner }, outputSchema)
    return { ...shared, form: 'whole', goals, groups: null, children: [child] }
  }
  if (tasks.length === 0) throw new DelegationError('GOALS_EMPTY', { goals: 0, at_least: 1 })
  const children = tasks.map((task, index) => {
    const where = ` of task ${index}`
    const schema = checkedSchema(task.outputSchema, where) ?? outputSchema
    return withSchema(childRequest(task, call, options, where), schema)
  })
  const groups = groupsOf(tasks, call.independentCompletions ?? options.independentCompletions)
  return { ...shared, form: 'children', goals: children.map(({ goal }) => goal), groups, children }
}

/** Without independent completions a group says nothing, but it has to be a name all the same. */
function groupsOf(tasks: readonly BatchTask[], areIndependent: unknown): readonly TaskGroup[] | null {
  checkFlag('independentCompletions', areIndependent)
  const groups = tasks.map(({ group }, index) => checkedGroup(group, ` of task ${index}`))
  return areIndependent === true ? taskGroups(groups) : null
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
    maxIterations: checkedIterations(
      task.maxIterations ?? call.maxIterations ?? options.maxIterations,
      where,
    ),
    runner: placed(resolveRunner(task.runner ?? call.runner ?? options.runner, options), isolation),
  }
}

function common(call: CallOptions & BatchTells, options: ResolvedOptions, session: string) {
  const { toolsets, metadata, traceContext, admitWithinMs = 0, maxUnitSummaryCharacters } = call
  const { completionPolicy = 'all', earlyFailureNotice = false, delivery = 'claim', askAs = 'turn' } = call
  checkWord('completionPolicy', completionPolicy, policies)
  const { childTimeoutSeconds = options.childTimeoutSeconds } = call
  checkTexts(call, callTexts, '')
  checkWord('delivery', delivery, deliveries)
  checkWord('askAs', askAs, asking)
  return {
    parent: null,
    context: checkedContext(call.context ?? null, ''),
    toolsets: checkedNames('toolsets', toolsets),
    metadata: metadata === undefined ? null : checkedMetadata(metadata),
    traceContext: traceContext === undefined ? null : checkedTraceContext(traceContext),
    role: call.role ?? 'leaf',
    model: call.model ?? null,
    sessionKey: call.sessionKey ?? session,
    maxUnits: call.maxUnits === undefined ? options.maxUnits : checkedCount('maxUnits', call.maxUnits),
    admitWithinMs: checkedNumber('admitWithinMs', admitWithinMs),
    childTimeoutSeconds: checkedNumber('childTimeoutSeconds', childTimeoutSeconds),
    deadlineSeconds: checkedDeadline(call.deadlineSeconds ?? options.deadlineSeconds),
    budget: checkedBudget(call.budget, options.budgets.unit),
    tells: {
      policy: completionPolicy,
      earlyFailure: earlyFailureNotice,
      graceMs: options.interruptGraceMs,
      askAs,
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
function checkRun({ run, runner, independentCompletions }: DispatchBatchOptions): void {
  if (run === undefined) return
  if (independentCompletions === true) {
    const expected = 'a runner: one function for all tasks has one completion'
    throw new DelegationError('OPTION_INVALID', { independentCompletions: 'given with run', expected })
  }
  if (typeof run !== 'function') {
    throw new DelegationError('OPTION_INVALID', { run: kindOf(run), expected: 'a function' })
  }
  if (runner === undefined) return
  throw new DelegationError('OPTION_INVALID', { run: 'given', runner: 'given', expected: 'one of the two' })
}

const policies = ['all', 'each', 'first'] as const
const deliveries = ['claim', 'collect'] as const
const asking = ['turn', 'event'] as const

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

/** As long as a peer's address may be. */
const longestWord = 2_000
const placements: readonly unknown[] = ['isolated', 'process', 'shared', undefined]

const isWord = (value: unknown): boolean =>
  typeof value === 'string' && value !== '' && value.length <= longestWord

function checkedReference(runner: RunnerReference): RunnerReference {
  const { placement, together } = runner
  // Who is to be kept in a process must not end up in a thread for a slip of the pen.
  if (!placements.includes(placement))
    throw new DelegationError('RUNNER_INVALID', { placement, expected: 'isolated, process or shared' })
  if (together !== undefined && !isWord(together))
    throw new DelegationError('RUNNER_INVALID', {
      together: kindOf(together),
      expected: 'a text of 1 to 2,000 characters',
    })
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
