import type { AsyncDelegationEvent, ClaimedEnd, Delegator, Rejected } from '../index.js'
import { completionText, isSuccess } from './completion-text.js'
import { detachedParent, runDetached, startDetached } from './detach.js'
import { dispatch, type DispatchingOptions } from './dispatch.js'
import { leaveThreadsBehind } from './exit.js'
import { attachTree } from './live-tree.js'
import { commandOf, notify } from './notify.js'
import { clearOldTranscripts } from './old-transcripts.js'
import { configFor, openDelegator } from './open.js'
import { tellQuestions } from './questions.js'
import { exitCodes, handOver, printJson, printOut, printProblem } from './render.js'
import { onStopSignal, type StopSignal, type Urgency } from './stop-signals.js'
import { UsageError } from './usage-error.js'

/** Options of `run`, as commander hands them over. */
export interface RunOptions extends DispatchingOptions {
  readonly failOn: 'all' | 'any'
  readonly notifyCmd?: string
}

/** Runs one goal, or several as one unit, to its end. The exit code says how it went. */
export async function run(goals: readonly string[], options: RunOptions): Promise<number> {
  const command = options.notifyCmd === undefined ? null : commandOf(options.notifyCmd)
  if (options.detach !== true) return runAttached(goals, options, command)
  const parent = detachedParent()
  return parent === null ? detach(options) : runDetached(goals, options, command, parent)
}

async function runAttached(
  goals: readonly string[],
  options: RunOptions,
  command: readonly string[] | null,
): Promise<number> {
  const opened = await openDelegator(options)
  const { delegator, logsToTerminal } = opened
  let id: string | null = null
  const signals = onStopSignal((name, urgency) => {
    if (id !== null && opened.owns(id)) void interrupt(delegator, name, urgency)
    // The way out of a dispatch that waits for a slot, or from another process's unit of the same key.
    else if (id !== null || options.admitWithin !== undefined) void delegator.close()
  })
  const showsTree = options.json !== true && !logsToTerminal
  const tree = showsTree ? attachTree(delegator, { stream: process.stderr }) : null
  if (tree === null) tellQuestions(delegator)
  const cleared = clearOldTranscripts(opened.config, delegator)
  try {
    const handle = await dispatch(delegator, goals, opened.config, options)
    if (handle.status === 'rejected') return signals.code ?? refused(handle, options)
    id = handle.delegationId
    if (signals.first !== null) void interrupt(delegator, signals.first, 'request')
    const end = await delegator.waitAndClaim(id)
    const { event } = end
    tree?.stop()
    await pass(end, options)
    if (command !== null && end.completion !== null) await notify(command, event)
    return signals.code ?? exitCodeOf(event, options)
  } catch (error) {
    // CLOSED is what a dispatch says that was waiting when the user gave up.
    if (signals.code !== null) return signals.code
    throw error
  } finally {
    tree?.stop()
    await cleared
    await opened.close()
    signals.release()
  }
}

/** A completion is delivered once it is written: what nobody reads, or what a kill cuts off, is there for a drain. */
async function pass({ event, completion }: ClaimedEnd, { json }: RunOptions): Promise<void> {
  if (completion === null) {
    const { delegation_id: id } = event
    printProblem(
      `the completion of ${id} was taken by another consumer: hermes-delegate show ${id} prints it again`,
    )
  } else if (await handOver(completionText(event, json))) await completion.ack()
  else await completion.defer(0)
}

/** Starts the process that runs the unit, and tells how that went. */
async function detach(options: RunOptions): Promise<number> {
  const { ledger } = await configFor(options)
  if (ledger.kind === 'memory')
    throw new UsageError('--detach needs a ledger in a file: nobody else sees one in memory')
  const { handle, pid } = await startDetached()
  if (handle.status === 'rejected') return refused(handle, options)
  const { status, delegationId: delegation_id, liveTranscripts: live_transcripts } = handle
  if (options.json === true)
    printJson({ status, delegation_id, pid, ...(live_transcripts !== undefined && { live_transcripts }) })
  else printOut(`${delegation_id}\n`)
  return exitCodes.ok
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
