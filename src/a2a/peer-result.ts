/** From what a peer said last to the result of a child. */
import { TaskState, type Message } from '@a2a-js/sdk'
import type { RunnerResult } from '../runner.js'
import { answerOfMessage, answerOfTask } from './answer.js'
import { PeerError } from './peer-error.js'
import type { TaskView } from './task-view.js'

/** A crash of the peer's own that comes as an answer (M58). */
const agentError = /^Agent error:/

/** A message that is the whole answer. */
export function resultOfMessage(message: Message): RunnerResult {
  const { text, fields } = answerOfMessage(message)
  if (agentError.test(text)) return { ...fields, status: 'failed', summary: null, error: text }
  return { ...fields, status: 'completed', summary: text === '' ? null : text }
}

/** Of a task that is over. `wasCanceled`: by us. */
export function resultOfTask({ task, state }: TaskView, wasCanceled: boolean): RunnerResult {
  const { text, fields } = answerOfTask(task)
  const summary = text === '' ? null : text
  if (state === TaskState.TASK_STATE_COMPLETED) return { ...fields, status: 'completed', summary }
  if (state === TaskState.TASK_STATE_CANCELED) {
    const error = wasCanceled ? 'canceled at the peer' : 'the peer canceled the task by itself'
    return { ...fields, status: 'interrupted', exit_reason: 'canceled', summary, error }
  }
  const failed = { ...fields, status: 'failed', summary: null }
  if (state === TaskState.TASK_STATE_REJECTED)
    return {
      ...failed,
      exit_reason: 'rejected',
      error: summary ?? 'the peer refused the task, and did not say why',
    }
  return { ...failed, error: summary ?? 'the peer failed, and did not say why' }
}

/** Never a success, and never without a text (6-B4). */
export function resultOfError(error: unknown): RunnerResult {
  const message = error instanceof Error && error.message !== '' ? error.message : String(error)
  const code = error instanceof PeerError ? error.code : null
  return { status: 'failed', summary: null, error: message, ...(code !== null && { failure_reason: code }) }
}
