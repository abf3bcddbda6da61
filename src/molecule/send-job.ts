/**
 * One delegation, from discovery until its peer has it. Knows no store, no mirrors and no thread: the host's library and
 * the runner's worker both run this. Nothing here rejects; whatever happens is an outcome.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../index.js'
import { pause, type JsonObject } from '../runner.js'
import type { HttpCaller, HttpOutcome } from './http-call.js'
import { failed, readReply, type FailureReason, type PeerReply } from './peer-reply.js'
import type { Platform } from './platform-api.js'
import type { Settings } from './settings.js'

/** `direct`: to the address that discovery gives. `proxy`: through the platform. `platform`: the platform sends it itself. */
export type Route = 'direct' | 'proxy' | 'platform'

export interface Job {
  readonly id: string
  readonly source: string
  readonly target: string
  readonly task: string
  readonly route: Route
}

/** What is known of a delegation that its peer has: plain data, so that another process can follow it, and never re-sends. */
export type Remote =
  | { readonly kind: 'listed'; readonly delegationId: string; readonly queueId: string | null }
  | { readonly kind: 'task'; readonly url: string; readonly taskId: string }
  | {
      readonly kind: 'question'
      readonly url: string
      readonly taskId: string
      readonly contextId: string | null
      readonly question: string
    }

export type Outcome =
  | {
      readonly kind: 'completed'
      readonly text: string
      readonly isPreview: boolean
      readonly attempts: number
    }
  | {
      readonly kind: 'failed'
      readonly error: string
      readonly reason: FailureReason
      readonly attempts: number
    }

/** What an owner of a job is told while it is sent. Must not throw. */
export interface SendTells {
  /** Before anything is sent that a peer may take. */
  sending?(): void
  named?(name: string): void
}

export interface JobContext {
  readonly settings: Settings
  readonly platform: Platform
  readonly call: HttpCaller
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

/** `isQueued`: the peer is busy, and has not begun. */
export interface Taken {
  readonly kind: 'taken'
  readonly remote: Remote
  readonly isQueued: boolean
  readonly attempts: number
}

/** M66, with the delegation's own id in it: the same task can run again, the same delegation cannot. */
export function idempotencyKey({ source, target, task, id }: Job): string {
  return createHash('sha256').update(`${source}:${target}:${task}:${id}`).digest('hex').slice(0, 32)
}

/** Every attempt of a job is this one message, so that whoever takes messages can tell that it has it. */
export function messageOf({ id, source, task }: Job, inTask: JsonObject = {}, suffix = ''): JsonObject {
  return {
    jsonrpc: '2.0',
    id: `delegation-${id}${suffix}`,
    method: 'message/send',
    params: {
      message: {
        kind: 'message',
        role: 'user',
        parts: [{ kind: 'text', text: task }],
        messageId: `msg-${id}${suffix}`,
        // Where the platform's queue looks for it when it stitches a drained answer to its delegation.
        metadata: { delegation_id: id },
        ...inTask,
      },
      metadata: { parent_task_id: id, source_workspace_id: source },
    },
  }
}

/** Until the peer has answered, has taken it, or cannot be brought to. */
export async function sendJob(
  job: Job,
  context: JobContext,
  tells: SendTells,
  signal: AbortSignal,
): Promise<Outcome | Taken> {
  if (job.route === 'platform') return startOnPlatform(job, context, tells)
  const { settings, platform, call, clock, random } = context
  const deadlineMs = clock.monotonicMs() + settings.timeoutMs
  let last: Extract<PeerReply, { kind: 'failed' }> = failed('no_answer', 'it was not sent')
  for (let attempt = 1; attempt <= settings.retryAttempts; attempt += 1) {
    // An address that was good for the last attempt need not be for this one.
    const found = await platform.discover(job.source, job.target, signal)
    if (found.kind === 'failed') return ended(found, attempt - 1)
    if (found.name !== null) tells.named?.(found.name)
    const url = job.route === 'proxy' ? platform.proxyUrl(job.target) : found.url
    const timeoutMs = Math.max(1, deadlineMs - clock.monotonicMs())
    const headers = platform.headersFor(job.source, url)
    tells.sending?.()
    const outcome = await call({ method: 'POST', url, headers, body: messageOf(job), timeoutMs, signal })
    const reply = replyOf(outcome)
    if (reply.kind !== 'failed') return takenAs(reply, job, url, attempt)
    last = signal.aborted ? failed('canceled', 'it was stopped') : reply
    if (last.retry === null) return ended(last, attempt)
    const delayMs = Math.max(settings.retryDelayMs * attempt * (0.75 + random() / 2), last.retry.afterMs)
    if (attempt === settings.retryAttempts || clock.monotonicMs() + delayMs >= deadlineMs)
      return ended(last, attempt)
    await pause(delayMs, clock, signal)
    if (signal.aborted) return ended(failed('canceled', 'it was stopped'), attempt)
  }
  return ended(last, settings.retryAttempts)
}

async function startOnPlatform(
  job: Job,
  { platform }: JobContext,
  tells: SendTells,
): Promise<Outcome | Taken> {
  tells.sending?.()
  const started = await platform.delegate(job.source, job.target, job.task, idempotencyKey(job))
  if ('error' in started) return ended(failed('http_error', started.error), 1)
  const remote: Remote = { kind: 'listed', delegationId: started.id, queueId: null }
  return { kind: 'taken', remote, isQueued: false, attempts: 1 }
}

export function replyOf(outcome: HttpOutcome): PeerReply {
  switch (outcome.kind) {
    case 'answer':
      return readReply(outcome)
    case 'unsent':
      return failed('network_error', outcome.error, { afterMs: 0 })
    case 'lost':
      return failed(
        outcome.isTimeout ? 'timeout' : 'network_error',
        `${outcome.error} (the peer may have got the task; it was not sent again)`,
      )
  }
}

/** From here on nothing is sent again. */
export function takenAs(
  reply: Exclude<PeerReply, { kind: 'failed' }>,
  { id }: Job,
  url: string,
  attempts: number,
): Outcome | Taken {
  const isQueued = reply.kind === 'queued'
  switch (reply.kind) {
    case 'done':
      return { kind: 'completed', text: reply.text, isPreview: false, attempts }
    case 'queued': {
      const remote: Remote = { kind: 'listed', delegationId: id, queueId: reply.queueId }
      return { kind: 'taken', remote, isQueued, attempts }
    }
    case 'working':
      return { kind: 'taken', remote: { kind: 'task', url, taskId: reply.taskId }, isQueued, attempts }
    case 'asks':
      return { kind: 'taken', remote: { ...reply, kind: 'question', url }, isQueued, attempts }
  }
}

export function ended({ error, reason }: Extract<PeerReply, { kind: 'failed' }>, attempts: number): Outcome {
  return { kind: 'failed', error, reason, attempts }
}
