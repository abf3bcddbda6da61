import {
  formatCompletion,
  type AsyncDelegationEvent,
  type Delegator,
  type Dispatched,
  type Isolation,
  type Rejected,
  type RunnerReference,
} from '../index.js'
import { leaveThreadsBehind } from './exit.js'
import { attachTree } from './live-tree.js'
import { openDelegator, type CommandOptions } from './open.js'
import { exitCodes, printJson, printProblem, printText } from './render.js'
import { runnerNamed } from './runner-named.js'
import { onStopSignal, type StopSignal, type Urgency } from './stop-signals.js'

/** Options of `run`, as commander hands them over. */
export interface RunOptions extends CommandOptions {
  readonly runner?: string
  readonly context?: string
  readonly toolsets?: readonly string[]
  readonly role?: string
  readonly model?: string
  readonly session?: string
  /** Of each child, seconds. */
  readonly timeout?: number
  readonly isolation?: Isolation
  /** Seconds. */
  readonly admitWithin?: number
  readonly failOn: 'all' | 'any'
}

/** Runs one goal, or several as one unit, to its end. The exit code says how it went. */
export async function run(goals: readonly string[], options: RunOptions): Promise<number> {
  const opened = await openDelegator(options)
  const { delegator, config, logsToTerminal } = opened
  let id: string | null = null
  const signals = onStopSignal((name, urgency) => {
    if (id !== null) void interrupt(delegator, name, urgency)
    // The way out of a dispatch that waits for a slot; any other has its handle in a moment.
    else if (options.admitWithin !== undefined) void delegator.close()
  })
  const showsTree = process.stderr.isTTY && options.json !== true && !logsToTerminal
  const tree = showsTree ? attachTree(delegator, { stream: process.stderr }) : null
  try {
    const runner = runnerNamed(options.runner, config)
    const handle = await dispatch(delegator, goals, runner, options)
    if (handle.status === 'rejected') return signals.code ?? refused(handle, options)
    id = handle.delegationId
    if (signals.first !== null) void interrupt(delegator, signals.first, 'request')
    const event = await delegator.wait(id, { collect: true })
    tree?.stop()
    if (options.json === true) printJson(event)
    else printText(formatCompletion(event))
    return signals.code ?? exitCodeOf(event, options)
  } catch (error) {
    // CLOSED is what a dispatch says that was waiting when the user gave up.
    if (signals.code !== null) return signals.code
    throw error
  } finally {
    tree?.stop()
    await opened.close()
    signals.release()
  }
}

function dispatch(
  delegator: Delegator,
  goals: readonly string[],
  runner: RunnerReference,
  options: RunOptions,
): Promise<Dispatched | Rejected> {
  const { context, toolsets, role, model, session, timeout, isolation, admitWithin } = options
  const call = {
    runner,
    ...(context !== undefined && { context }),
    ...(toolsets !== undefined && { toolsets }),
    ...(role !== undefined && { role }),
    ...(model !== undefined && { model }),
    ...(session !== undefined && { sessionKey: session }),
    ...(timeout !== undefined && { childTimeoutSeconds: timeout }),
    ...(isolation !== undefined && { isolation }),
    ...(admitWithin !== undefined && { admitWithinMs: admitWithin * 1000 }),
  }
  const [goal = ''] = goals
  return goals.length > 1
    ? delegator.dispatchBatch({ goals, ...call })
    : delegator.dispatch({ goal, ...call })
}

/** The unit ends with what its children had finished (P5). */
async function interrupt(delegator: Delegator, name: StopSignal, urgency: Urgency): Promise<void> {
  const options = urgency === 'order' ? { graceMs: 0 } : {}
  const { unreachable } = await delegator.interruptAll(`stopped by the user (${name})`, options)
  if (unreachable > 0) leaveThreadsBehind()
}

function refused({ status, error, refusal }: Rejected, { json }: RunOptions): number {
  if (json === true) printJson({ status, error, ...(refusal !== undefined && { refusal }) })
  else printProblem(error)
  // Without a refusal nothing was full: waiting and trying again, which 75 asks for, would not help.
  return refusal === undefined ? exitCodes.failed : exitCodes.refused
}

function exitCodeOf(event: AsyncDelegationEvent, { failOn }: RunOptions): number {
  const results = event.is_batch === true ? event.results : []
  const isGood =
    isSuccess(event.status) && (failOn === 'all' || results.every(({ status }) => isSuccess(status)))
  return isGood ? exitCodes.ok : exitCodes.failed
}

/** `success` is some runners' word for `completed` (P9). */
function isSuccess(status: string | undefined): boolean {
  return status === 'completed' || status === 'success'
}
