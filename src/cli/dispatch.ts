import type { Config } from '../config/load.js'
import type { Delegator, Dispatched, Isolation, Rejected } from '../index.js'
import type { CommandOptions } from './open.js'
import { runnerNamed } from './runner-named.js'
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
  /** Of each child, seconds. */
  readonly timeout?: number
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
  const { outputSchema } = options
  const call = {
    runner: runnerNamed(options.runner, config),
    ...(outputSchema !== undefined && { outputSchema: await schemaIn(outputSchema) }),
    ...(context !== undefined && { context }),
    ...(toolsets !== undefined && { toolsets }),
    ...(role !== undefined && { role }),
    ...(model !== undefined && { model }),
    ...(session !== undefined && { sessionKey: session }),
    ...(key !== undefined && { idempotencyKey: key }),
    ...(timeout !== undefined && { childTimeoutSeconds: timeout }),
    ...(isolation !== undefined && { isolation }),
    ...(admitWithin !== undefined && { admitWithinMs: admitWithin * 1000 }),
  }
  const [goal = ''] = goals
  return goals.length > 1
    ? delegator.dispatchBatch({ goals, ...call })
    : delegator.dispatch({ goal, ...call })
}
