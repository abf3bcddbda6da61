/** What a peer has taken is followed until it has ended; nothing is sent a second time. Nothing here rejects. */
import { pause } from '../runner.js'
import { readReply, failed } from './peer-reply.js'
import type { Sought, Standing } from './platform-api.js'
import type { HttpCall } from './http-call.js'
import {
  ended,
  messageOf,
  replyOf,
  takenAs,
  type Job,
  type JobContext,
  type Outcome,
  type Remote,
} from './send-job.js'

export interface FollowOptions {
  readonly signal: AbortSignal
  /** Then it ends as `timeout`, here; what the peer does goes on. @defaultValue 6 h, as in the platform's own ledger */
  readonly timeoutMs?: number
  /** Without it, a peer that asks something fails the delegation with its question. May reject. */
  readonly ask?: (question: string) => Promise<string>
  /** Each new place where it stands. Must not throw. */
  readonly onRemote?: (remote: Remote) => void
}

const mostFollowMs = 6 * 3600 * 1000
const taskCallMs = 10_000
/** Within the grace of a child that was interrupted. */
const stopMs = 3_000
const slowestPollMs = 30_000

export async function followJob(
  remote: Remote,
  job: Job,
  context: JobContext,
  options: FollowOptions,
): Promise<Outcome> {
  const deadlineMs = context.clock.monotonicMs() + (options.timeoutMs ?? mostFollowMs)
  let at: Outcome | Remote = remote
  for (let step = 1; ; step += 1) {
    switch (at.kind) {
      case 'completed':
      case 'failed':
        return at
      case 'listed':
        return followList({ ...job, ...at }, context, options, deadlineMs)
      case 'task':
        at = await followTask(at, job, context, options.signal, deadlineMs)
        break
      case 'question':
        at = await answered(at, job, context, options, step)
        break
    }
    if (at.kind === 'task' || at.kind === 'question' || at.kind === 'listed') options.onRemote?.(at)
  }
}

/** M72-M75. A look that fails changes nothing; the next one may not. */
async function followList(
  sought: Sought,
  context: JobContext,
  { signal, timeoutMs = mostFollowMs }: FollowOptions,
  deadlineMs: number,
): Promise<Outcome> {
  const { platform, clock, settings } = context
  for (;;) {
    const standing = await platform.standing(sought, signal)
    if (standing.kind !== 'live') return settledBy(standing)
    if (signal.aborted) return stoppedOnPlatform(sought, context)
    if (clock.monotonicMs() + settings.pollMs > deadlineMs) {
      const { delegationId: id } = sought
      const error =
        `polling timeout after ${timeoutMs / 1000}s (delegation_id=${id}, last_status=${standing.status}). The platform ` +
        `still works on it: check_task_status('${id}') can fetch it later.`
      return ended(failed('timeout', error), 1)
    }
    await pause(settings.pollMs, clock, signal)
  }
}

/** Its end is an update (P18): what waits in a queue is not sent then. What a peer has cannot be called back. */
async function stoppedOnPlatform(
  { source, delegationId: id }: Sought,
  { platform }: JobContext,
): Promise<Outcome> {
  const path = `/workspaces/${encodeURIComponent(source)}/delegations/${encodeURIComponent(id)}/update`
  const body = { status: 'failed', error: 'it was stopped by its caller', response_preview: '' }
  const outcome = await platform.post(source, path, body, stopMs)
  const isTold = outcome.kind === 'answer' && outcome.status < 300
  const told = isTold ? 'the platform knows' : 'the platform could not be told'
  return ended(failed('canceled', `it was stopped; ${told}; a peer that has it may still do it`), 1)
}

export function settledBy(standing: Exclude<Standing, { kind: 'live' }>): Outcome {
  if (standing.kind === 'failed') return ended(failed('peer_error', standing.error), 1)
  return { kind: 'completed', text: standing.text, isPreview: standing.isPreview, attempts: 1 }
}

async function followTask(
  remote: Extract<Remote, { kind: 'task' }>,
  job: Job,
  context: JobContext,
  signal: AbortSignal,
  deadlineMs: number,
): Promise<Outcome | Remote> {
  const { clock, settings } = context
  const slowestMs = Math.max(slowestPollMs, settings.pollMs)
  for (let pollMs = settings.pollMs; ; pollMs = Math.min(pollMs * 1.5, slowestMs)) {
    await pause(pollMs, clock, signal)
    if (signal.aborted) return canceledTask(remote, job, context)
    const outcome = await context.call({ ...taskCall('tasks/get', remote, job, context), signal })
    const reply = outcome.kind === 'answer' ? readReply(outcome) : null
    if (reply?.kind === 'done' || reply?.kind === 'asks') {
      const next = takenAs(reply, job, remote.url, 1)
      return next.kind === 'taken' ? next.remote : next
    }
    // Only a word on the task itself ends it; a look that failed for another reason is repeated.
    if (reply?.kind === 'failed' && (reply.reason === 'peer_error' || reply.reason === 'rpc_error'))
      return ended(reply, 1)
    if (clock.monotonicMs() + pollMs > deadlineMs)
      return ended(failed('timeout', `the peer's task ${remote.taskId} had not ended in time`), 1)
  }
}

async function canceledTask(
  remote: Extract<Remote, { kind: 'task' }>,
  job: Job,
  context: JobContext,
): Promise<Outcome> {
  const outcome = await context.call(taskCall('tasks/cancel', remote, job, context))
  const reply = outcome.kind === 'answer' ? readReply(outcome) : null
  // It had ended before it was told.
  if (reply?.kind === 'done') return { kind: 'completed', text: reply.text, isPreview: false, attempts: 1 }
  const isTold = reply?.kind === 'failed' && reply.reason === 'peer_error'
  const told = isTold
    ? 'the peer has stopped, too'
    : 'the peer has not confirmed that it stopped, and may go on'
  return ended(failed('canceled', `it was stopped; ${told}`), 1)
}

function taskCall(
  method: string,
  { url, taskId: id }: Extract<Remote, { kind: 'task' }>,
  job: Job,
  { platform }: JobContext,
): HttpCall {
  const body = { jsonrpc: '2.0', id: `${method}-${job.id}`, method, params: { id } }
  return { method: 'POST', url, headers: platform.headersFor(job.source, url), body, timeoutMs: taskCallMs }
}

/** A follow-up message in the same task and context. Its id says which question it answers. */
async function answered(
  { question, taskId, contextId, url }: Extract<Remote, { kind: 'question' }>,
  job: Job,
  { platform, call, settings: { timeoutMs } }: JobContext,
  { ask, signal }: FollowOptions,
  step: number,
): Promise<Outcome | Remote> {
  if (ask === undefined) return ended(failed('peer_error', `the peer asks: ${question}`), 1)
  let answer: string
  try {
    answer = await ask(question)
  } catch (error) {
    return ended(failed('peer_error', `nobody answered the peer's question: ${String(error)}`), 1)
  }
  const body = messageOf(
    { ...job, task: answer },
    { taskId, ...(contextId !== null && { contextId }) },
    `-answer-${step}`,
  )
  const headers = platform.headersFor(job.source, url)
  const reply = replyOf(await call({ method: 'POST', url, headers, body, timeoutMs, signal }))
  if (reply.kind === 'failed') return ended(reply, 1)
  const next = takenAs(reply, job, url, 1)
  return next.kind === 'taken' ? next.remote : next
}
