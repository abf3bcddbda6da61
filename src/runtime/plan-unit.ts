/** From a valid request to what the ledger admits and the executors run. */
import { join } from 'node:path'
import { batchLabel } from '../core/batch.js'
import { shareOfBudget } from '../core/summary-budget.js'
import type { Json } from '../core/json.js'
import type { OnOwnerDeath, UnitDraft } from '../ledger/shapes.js'
import type { Executor } from '../pool/executor.js'
import type { ContinuedTask, DelegationRoom, Runner, RunnerReference, RunnerTask } from '../runner.js'
import type { ChildPlan } from './child.js'
import { partDrafts } from './groups.js'
import type { ResolvedOptions } from './options.js'
import type { CallOptions } from './call-options.js'
import type { UnitRequest } from './request.js'
import type { ParentLink } from './unit-plan.js'

/** The units of a call as the ledger is asked to admit them: one, or one for each of its groups. */
export function draftsOf(
  request: UnitRequest,
  call: CallOptions,
  options: ResolvedOptions,
  id: string,
): readonly [UnitDraft, ...UnitDraft[]] {
  const whole = draftOf(request, call, options, id)
  const { groups } = request
  if (groups === null) return [whole]
  const [first = whole, ...others] = partDrafts(whole, groups, (unitId, index) =>
    transcriptPath(options, unitId, index),
  )
  return [first, ...others]
}

function draftOf(request: UnitRequest, call: CallOptions, options: ResolvedOptions, id: string): UnitDraft {
  const { goals, children, sessionKey, parent } = request
  const [first] = children
  // Whoever runs the parent again asks for it again.
  const onOwnerDeath = parent === null ? policyOf(children) : 'unknown'
  const runner = first === undefined || typeof first.runner === 'function' ? null : { ...first.runner }
  return {
    id,
    slotKey: parent?.unit.draft.slotKey ?? id,
    parentId: parent?.unit.id ?? null,
    ...(parent !== null && { parentTaskIndex: parent.child.index }),
    route: parent?.unit.draft.route ?? {
      sessionKey,
      parentSessionId: call.parentSessionId ?? null,
      originUiSessionId: call.originUiSessionId ?? '',
      originSessionId: call.originSessionId ?? '',
    },
    goal: goals === null ? (first?.goal ?? '') : batchLabel(goals),
    goals,
    context: request.context,
    toolsets: request.toolsets,
    role: request.role,
    model: request.model,
    runner,
    childCount: goals?.length ?? 1,
    onOwnerDeath,
    work: onOwnerDeath === 'unknown' ? null : workOf(request),
    transcripts:
      options.transcriptFolder === null
        ? null
        : children.map((_child, index) => transcriptPath(options, id, index)),
    delivery: parent === null ? (call.delivery ?? 'claim') : 'none',
    metadata: request.metadata,
    ...traceOf(request),
    ...continuesOf(first?.continued),
  }
}

/** What a child starts belongs to the trace of that child's unit. */
function traceOf({ parent, traceContext }: UnitRequest): Pick<UnitDraft, 'traceContext'> {
  const trace = parent?.unit.draft.traceContext ?? traceContext
  return trace === null ? {} : { traceContext: trace }
}

/** Which child it goes on from, for those who read of it. */
function continuesOf(continued: ContinuedTask | undefined): Pick<UnitDraft, 'continues'> {
  if (continued === undefined) return {}
  const { delegation_id, task_index } = continued
  return { continues: { delegation_id, task_index } }
}

/** The boldest that any child's runner allows: the others of its unit are then told apart one by one. */
function policyOf(children: UnitRequest['children']): OnOwnerDeath {
  const policies = children.map(({ runner }) => (mayRunAgain(runner) ? runner.onOwnerDeath : 'unknown'))
  if (policies.includes('adopt')) return 'adopt'
  return policies.includes('retry') ? 'retry' : 'unknown'
}

/** True for a runner whose unfinished children may be run by another owner. */
export function mayRunAgain(runner: RunnerReference | Runner | null): runner is RunnerReference {
  return runner !== null && typeof runner !== 'function' && (runner.onOwnerDeath ?? 'unknown') !== 'unknown'
}

/** All that a delegator in another process needs to run the unit again. Functions do not travel. */
function workOf(request: UnitRequest): Json {
  const { form, children, childTimeoutSeconds, deadlineSeconds, budget, summaryBudget, tells } = request
  const work = children.map((child) => ({
    ...child,
    runner: typeof child.runner === 'function' ? null : { ...child.runner },
    continued: child.continued === undefined ? undefined : { ...child.continued },
  }))
  return {
    form,
    children: work,
    childTimeoutSeconds,
    deadlineSeconds,
    budget: { ...budget },
    summaryBudget: { ...summaryBudget },
    tells: { ...tells },
  }
}

type PlannedChild = UnitRequest['children'][number] & { readonly index: number }

/** Who runs each of a unit's own children, where, and for how long. */
export function planChildren(
  request: Pick<
    UnitRequest,
    'children' | 'childTimeoutSeconds' | 'summaryBudget' | 'toolsets' | 'sessionKey' | 'parent'
  >,
  draft: UnitDraft,
  options: ResolvedOptions,
  executors: { readonly inline: Executor; readonly threads: Executor },
): readonly ChildPlan[] {
  const seconds = request.childTimeoutSeconds
  const { id } = draft
  const own = draft.part?.taskIndexes ?? null
  const summaryCharacters = shareOfBudget(request.summaryBudget, own?.length ?? request.children.length)
  const children = request.children.map((child, index) => ({ ...child, index }))
  const levels = options.maxDepth - depthOf(request.parent)
  const below = levels > 0 ? { levels, tasks: options.maxConcurrentChildren } : null
  const planned = own === null ? children : children.filter(({ index }) => own.includes(index))
  return planned.map((child) => ({
    index: child.index,
    executor: typeof child.runner === 'function' ? executors.inline : executors.threads,
    timeoutMs: seconds === 0 ? null : seconds * 1000,
    timeoutGraceMs: options.interruptGraceMs,
    job: {
      task: taskOf(child, request, draft, below),
      runner: child.runner,
      transcriptPath: transcriptPath(options, id, child.index),
      spillDirectory: options.spillFolder,
      summaryCharacters,
      ...(child.resumeFrom !== undefined && { resumeFrom: child.resumeFrom }),
    },
  }))
}

/** Of a unit: 1 where the host dispatched it. */
function depthOf(parent: ParentLink | null): number {
  return parent === null ? 1 : 1 + depthOf(parent.unit.plan.parent)
}

function taskOf(
  { goal, context, role, model, maxIterations, outputSchema, continued, index }: PlannedChild,
  { toolsets, sessionKey }: Pick<UnitRequest, 'toolsets' | 'sessionKey'>,
  { id: delegationId, traceContext }: UnitDraft,
  below: DelegationRoom | null,
): RunnerTask {
  return {
    goal,
    context,
    role,
    model,
    toolsets,
    delegationId,
    taskIndex: index,
    sessionKey,
    maxIterations,
    ...(below !== null && role === 'orchestrator' && { below }),
    ...(continued !== undefined && { continued }),
    ...(outputSchema !== undefined && { outputSchema }),
    ...(traceContext !== undefined && { traceContext }),
  }
}

/** Where the child's transcript goes; null where none are kept. */
export function transcriptPath(
  { transcriptFolder }: ResolvedOptions,
  id: string,
  index: number,
): string | null {
  return transcriptFolder === null ? null : join(transcriptFolder, id, `task-${index}.log`)
}
