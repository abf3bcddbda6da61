import type { Config } from '../config/load.js'
import type { Delegator, Dispatched, Isolation, Rejected } from '../index.js'
import type { CommandOptions } from './open.js'
import { runnerNamed } from './runner-named.js'
import { UsageError } from './usage-error.js'
import { schemaIn } from './schema-file.js'

/** What a dispatch takes from the command line. */
export interface DispatchingOptions extends CommandOptions {
  readonly runner?: string
  readonly context?: string
  readonly toolsets?: readonly string[]
  readonly role?: string
  readonly model?: string
  /** Path of a file. */
  readonly outputSchema?: string
  readonly session?: string
  readonly key?: string
  /** Id of the unit to go on from, and which child of it, from 1. */
  readonly continue?: string
  readonly task?: number
  readonly detach?: boolean
  /** Of each child, seconds. */
  readonly timeout?: number
  /** Of the whole unit, seconds. */
  readonly deadline?: number
  readonly maxIterations?: number
  readonly budgetTokens?: number
  readonly budgetUsd?: number
  readonly isolation?: Isolation
  /** Seconds. */
  readonly admitWithin?: number
}

/**
 * One goal is a single unit, several are one batch. @throws {UsageError} for a runner that there is not, and for a schema
 * that cannot be read.
 */
export async function dispatch(
  delegator: Delegator,
  goals: readonly string[],
  config: Config,
  options: DispatchingOptions,
): Promise<Dispatched | Rejected> {
  const { context, toolsets, role, model, session, key, timeout, isolation, admitWithin } = options
  const from = continuing(goals, options)
  const { deadline, maxIterations, budgetTokens, budgetUsd } = options
  const budget = {
    ...(budgetTokens !== undefined && { tokens: budgetTokens }),
    ...(budgetUsd !== undefined && { costUsd: budgetUsd }),
  }
  const { outputSchema } = options
  const call = {
    budget,
    // Who goes on has the earlier child's runner, unless another one is named.
    ...((from === null || options.runner !== undefined) && { runner: runnerNamed(options.runner, config) }),
    // Who waits here is told here; of a detached unit a drain has to hear.
    askAs: options.detach === true ? ('turn' as const) : ('event' as const),
    ...(outputSchema !== undefined && { outputSchema: await schemaIn(outputSchema) }),
    ...(context !== undefined && { context }),
    ...(toolsets !== undefined && { toolsets }),
    ...(role !== undefined && { role }),
    ...(model !== undefined && { model }),
    ...(session !== undefined && { sessionKey: session }),
    ...(key !== undefined && { idempotencyKey: key }),
    ...(timeout !== undefined && { childTimeoutSeconds: timeout }),
    ...(deadline !== undefined && { deadlineSeconds: deadline }),
    ...(maxIterations !== undefined && { maxIterations }),
    ...(isolation !== undefined && { isolation }),
    ...(admitWithin !== undefined && { admitWithinMs: admitWithin * 1000 }),
  }
  const [goal = ''] = goals
  return goals.length > 1
    ? // One completion is what is waited for and printed.
      delegator.dispatchBatch({ goals, independentCompletions: false, ...call })
    : delegator.dispatch({ goal, ...call, ...(from !== null && { continueFrom: from }) })
}

/** @throws {UsageError} for what goes on from nothing, or from one child with several goals. */
function continuing(
  goals: readonly string[],
  { continue: id, task }: DispatchingOptions,
): { readonly id: string; readonly taskIndex?: number } | null {
  if (id === undefined && task !== undefined) throw new UsageError('--task needs --continue ID')
  if (id === undefined) return null
  if (goals.length > 1) throw new UsageError('--continue goes on from one child, with one goal')
  return { id, ...(task !== undefined && { taskIndex: task - 1 }) }
}
