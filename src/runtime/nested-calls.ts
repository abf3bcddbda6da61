/** `ctx.delegate`: what a child asks for, as a call of its host, and what it is told. A nested unit runs in its parent's process. */
import { DelegationError } from '../core/errors.js'
import { isJsonObject, type Json, type JsonObject } from '../core/json.js'
import { refusalAsJson, type Rejected } from '../core/refusal.js'
import { kindOf } from '../core/shown-value.js'
import { errorDetail, runnerError } from '../pool/error-detail.js'
import type { ChildRequest } from '../pool/executor.js'
import type { CallOptions, DispatchBatchOptions } from './call-options.js'
import type { Dispatched } from './dispatched.js'
import { unseenSchemas } from './output-schema.js'
import type { NestedUnits } from './nested-units.js'
import type { ResolvedOptions } from './options.js'
import { batchRequest, type UnitRequest } from './request.js'
import type { Unit, UnitEnd } from './unit.js'
import type { NestedLink, ParentLink } from './unit-plan.js'

export interface NestedCallsOptions {
  readonly options: ResolvedOptions
  readonly nested: Pick<NestedUnits, 'depthOf'>
  readonly admit: (request: UnitRequest, call: CallOptions) => Promise<Dispatched | Rejected>
}

/** The only role whose children may delegate. */
const orchestrator = 'orchestrator'
const taskKeys = ['goal', 'context', 'role', 'model', 'runner', 'maxIterations', 'outputSchema']
const goalKeys = ['goal', 'goals', 'tasks']
/** What is passed on as it is. */
const passedKeys = [
  'childTimeoutSeconds',
  'deadlineSeconds',
  'budget',
  'outputSchema',
  'completionPolicy',
  'maxUnitSummaryCharacters',
]
const callKeys = [...new Set([...taskKeys, ...goalKeys, 'toolsets', ...passedKeys])]

export interface NestedCalls {
  /** Answers a child, always. */
  hear(parent: ParentLink, request: ChildRequest): void
}

export function createNestedCalls({ options, nested, admit }: NestedCallsOptions): NestedCalls {
  /** @throws {DelegationError} before anything is admitted. */
  function requestOf(parent: NestedLink, payload: Json) {
    const role = options.orchestratorEnabled ? parent.child.job.task.role : 'leaf'
    if (role !== orchestrator) throw new DelegationError('NOT_ORCHESTRATOR', { role, expected: orchestrator })
    const depth = nested.depthOf(parent.unit)
    if (depth >= options.maxDepth) {
      throw new DelegationError('DEPTH_LIMIT', { depth, max_spawn_depth: options.maxDepth })
    }
    const call = callOf(parent, payload)
    return { request: { ...batchRequest(call, options, ''), parent }, call }
  }

  async function delegate(parent: ParentLink, payload: Json): Promise<Json> {
    const ended: Unit['ended'][] = []
    const onStarted = (unit: Unit): void => void ended.push(unit.ended)
    const { request, call } = requestOf({ ...parent, onStarted }, payload)
    const goals = request.goals ?? []
    await unseenSchemas(request.children)
    const outcome = await admit(request, { ...(call.budget !== undefined && { budget: call.budget }) })
    if (outcome.status === 'rejected') {
      return parent.child.goesOn ? rejected(outcome) : stoppedWithParent(goals)
    }
    const [end] = await Promise.all(ended)
    // Taken over, that is: this process slept, and what it runs is not its own any more.
    if (end === undefined || end === 'taken_over') throw new DelegationError('CLOSED')
    return delegated(end)
  }

  return {
    hear(parent, { kind, payload, answer, fail }) {
      if (kind !== 'delegate') {
        fail(runnerError('REQUEST_UNKNOWN', `nothing here answers a request of kind ${kind}`))
        return
      }
      delegate(parent, payload).then(answer, (error: unknown) => fail(errorDetail(error)))
    },
  }
}

/**
 * Who asks may be hostile: it chooses among the runners that the host has configured, and its own; it gains no toolset; and
 * what it starts is kept apart from the host as it is itself.
 */
function callOf(parent: ParentLink, payload: Json): DispatchBatchOptions {
  const { task, runner } = parent.child.job
  const given = checkedKeys(payload, callKeys, '')
  const kinds = goalKeys.filter((key) => given[key] !== undefined)
  if (kinds.length !== 1) {
    const expected = `one of ${goalKeys.join(', ')}`
    throw new DelegationError('OPTION_INVALID', { given: kinds.join(' and ') || 'none of them', expected })
  }
  const { goal, goals, tasks, context = null, role, model = task.model, toolsets = task.toolsets } = given
  const listed = Array.isArray(tasks) ? (tasks as readonly Json[]).map(checkedTask) : tasks
  const isKept = typeof runner !== 'function' && runner.placement === 'process'
  const { maxIterations = task.maxIterations } = given
  const call = {
    ...(goal !== undefined ? { goals: [goal] } : { goals }),
    ...(listed !== undefined && { tasks: listed }),
    context,
    toolsets: checkedToolsets(toolsets, task.toolsets),
    model,
    maxIterations,
    runner: checkedRunner(given['runner'], '') ?? runner,
    sessionKey: parent.unit.draft.route.sessionKey,
    independentCompletions: false,
    ...(isKept && { isolation: 'process' as const }),
    ...(role !== undefined && { role }),
    ...Object.fromEntries(Object.entries(given).filter(([key]) => passedKeys.includes(key))),
  }
  // What of it is of another kind than it should be is found where any call is read.
  return call as unknown as DispatchBatchOptions
}

function checkedKeys(given: unknown, known: readonly string[], where: string): JsonObject {
  if (!isJsonObject(given)) {
    throw new DelegationError('OPTION_INVALID', {
      delegate: kindOf(given) + where,
      expected: 'an object with a goal',
    })
  }
  const stray = Object.keys(given).find((key) => !known.includes(key))
  if (stray === undefined) return given
  throw new DelegationError('OPTION_INVALID', { [stray]: `unknown${where}`, expected: known.join(', ') })
}

function checkedTask(task: Json, index: number): JsonObject {
  const where = ` of task ${index}`
  const { runner, ...rest } = checkedKeys(task, taskKeys, where)
  const name = checkedRunner(runner, where)
  return name === null ? rest : { ...rest, runner: name }
}

function checkedRunner(runner: Json | undefined, where: string): string | null {
  if (runner === undefined || runner === null) return null
  if (typeof runner === 'string') return runner
  const expected = 'the name of a configured runner'
  throw new DelegationError('RUNNER_INVALID', { given: kindOf(runner) + where, expected })
}

/** Spec 4.3: a child inherits toolsets, and never gains one. */
function checkedToolsets(given: Json, inherited: readonly string[] | null): Json {
  if (inherited === null || !Array.isArray(given)) return given ?? inherited
  const names = given as readonly Json[]
  const gained = names.find((name) => typeof name === 'string' && !inherited.includes(name))
  if (gained === undefined) return names.length === 0 ? inherited : names
  throw new DelegationError('OPTION_INVALID', {
    toolsets: gained,
    expected: `some of ${inherited.join(', ')}`,
  })
}

function delegated({ event }: UnitEnd): JsonObject {
  const { status, delegation_id, error } = event
  const results = event.is_batch === true ? event.results : []
  const total_duration_seconds = (event.is_batch === true ? event.total_duration_seconds : null) ?? 0
  return { status, delegation_id, results, total_duration_seconds, error }
}

function rejected({ status, error, refusal }: Rejected): JsonObject {
  return { status, error, ...(refusal !== undefined && { refusal: refusalAsJson(refusal) }) }
}

/** What comes after the stop inherits it: nothing of it is started (spec 4.5, 4.8). */
function stoppedWithParent(goals: readonly string[]): JsonObject {
  const error = 'the child that asked for it was stopped'
  const results = goals.map((_goal, index) => ({
    task_index: index,
    status: 'interrupted',
    summary: null,
    error,
    api_calls: 0,
    duration_seconds: 0,
  }))
  return { status: 'interrupted', delegation_id: null, results, total_duration_seconds: 0, error }
}
