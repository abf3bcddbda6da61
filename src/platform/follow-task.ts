/** A task that a workspace works on is asked about until it has ended. A look that fails changes nothing. */
import type { Clock } from '../index.js'
import { isJsonObject, pause } from '../runner.js'
import { parsed, readAnswer, type Answer } from './answer.js'
import type { MessageRow } from './messages.js'
import { taskCall } from './task-call.js'
import type { PostOutcome } from './workspace-http.js'

export type Followed =
  | {
      readonly kind: 'ended'
      readonly answer: Extract<Answer, { kind: 'done' | 'failed' }>
      readonly body: string
    }
  | { readonly kind: 'given_up'; readonly error: string }
  /** Somebody else has ended it, or the next process will follow it. */
  | { readonly kind: 'left' }

export interface FollowOptions {
  readonly clock: Clock
  readonly pollMs: number
  readonly signal: AbortSignal
  readonly isLive: () => boolean
  readonly post: (body: string, headers: Readonly<Record<string, string>>) => Promise<PostOutcome>
}

const slowestPollMs = 30_000

export async function followTask(row: MessageRow, options: FollowOptions): Promise<Followed> {
  const { clock, signal, isLive, post } = options
  const slowestMs = Math.max(slowestPollMs, options.pollMs)
  const { body, headers } = taskCall(row)
  for (let pollMs = options.pollMs; ; pollMs = Math.min(pollMs * 1.5, slowestMs)) {
    await pause(pollMs, clock, signal)
    if (signal.aborted || !isLive()) return { kind: 'left' }
    if (row.expires_at <= clock.now())
      return { kind: 'given_up', error: 'the workspace had not ended it in time' }
    const outcome = await post(body, headers)
    if (outcome.kind !== 'answered' || outcome.status > 299) continue
    const answer = readAnswer(outcome.status, outcome.body)
    if (answer.kind === 'working' || answer.kind === 'acknowledged') continue
    const isOfTask = answer.kind === 'done' || answer.task.taskId !== null
    if (isOfTask) return { kind: 'ended', answer, body: outcome.body }
    if (isUnknownTask(outcome.body))
      return { kind: 'given_up', error: 'the workspace does not know the task any more' }
  }
}

/** −32001 of A2A. */
function isUnknownTask(text: string): boolean {
  const body = parsed(text)
  return isJsonObject(body) && isJsonObject(body['error']) && body['error']['code'] === -32001
}
