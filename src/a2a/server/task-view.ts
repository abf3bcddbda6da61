/** From records and events of the ledger to tasks of A2A (docs/states.md). */
import { TaskState, type Task, type TaskStatus } from '@a2a-js/sdk'
import type { AsyncDelegationEvent, ChildView, DelegationRecord, OpenQuestion } from '../../index.js'
import type { JsonObject } from '../../runner.js'
import { artifactsOf } from './artifacts.js'
import { agentMessage, dataPart, ownMetadata, textPart, userMessage, type TaskPlace } from './parts.js'

/** What of a call is kept in its unit, under `a2a` of its metadata. */
export interface KeptCall {
  readonly message_id: string
}

const successes: ReadonlySet<string> = new Set(['completed', 'success'])
const beforeWork: ReadonlySet<string> = new Set(['waiting', 'queued'])

export const isTerminal = (state: TaskState): boolean =>
  [
    TaskState.TASK_STATE_COMPLETED,
    TaskState.TASK_STATE_FAILED,
    TaskState.TASK_STATE_CANCELED,
    TaskState.TASK_STATE_REJECTED,
  ].includes(state)

/** It goes on only when its caller does something. */
export const waitsForCaller = (state: TaskState): boolean =>
  state === TaskState.TASK_STATE_INPUT_REQUIRED || state === TaskState.TASK_STATE_AUTH_REQUIRED

/** The word of an ended unit. One that was stopped for its budget was not canceled by anybody. */
function endState(word: string, event: AsyncDelegationEvent | null): TaskState {
  if (successes.has(word)) return TaskState.TASK_STATE_COMPLETED
  if (word === 'interrupted' && !isOverBudget(event)) return TaskState.TASK_STATE_CANCELED
  return TaskState.TASK_STATE_FAILED
}

function isOverBudget(event: AsyncDelegationEvent | null): boolean {
  if (event === null) return false
  if (event.is_batch !== true) return event.budget_exceeded !== undefined
  return event.results.some((result) => result['budget_exceeded'] !== undefined)
}

function liveState(children: readonly ChildView[]): TaskState {
  if (questionOf(children) !== null) return TaskState.TASK_STATE_INPUT_REQUIRED
  if (children.some(({ state }) => state === 'auth_required')) return TaskState.TASK_STATE_AUTH_REQUIRED
  return children.every(({ state }) => beforeWork.has(state))
    ? TaskState.TASK_STATE_SUBMITTED
    : TaskState.TASK_STATE_WORKING
}

/** The first one that is open, of whichever child. */
function questionOf(children: readonly ChildView[]): OpenQuestion | null {
  return children.find(({ question }) => question !== undefined)?.question ?? null
}

/**
 * The task with all of its artifacts. `event` is null while it lives, and once retention has dropped it. `answeredAt`: when it
 * began to work again, so that the time of its state never goes back.
 */
export async function taskOf(
  record: DelegationRecord,
  contextId: string,
  event: AsyncDelegationEvent | null,
  answeredAt: number | null,
): Promise<Task> {
  const place = { taskId: record.delegation_id, contextId }
  return {
    id: place.taskId,
    contextId,
    status: statusOf(record, place, event, answeredAt),
    artifacts: event === null ? [] : await artifactsOf(event),
    history: [messageOf(record, place)],
    metadata: ownMetadata(factsOf(record, event)),
  }
}

function statusOf(
  record: DelegationRecord,
  place: TaskPlace,
  event: AsyncDelegationEvent | null,
  answeredAt: number | null,
): TaskStatus {
  const { children, completed_at, dispatched_at, status } = record
  if (completed_at !== null) {
    const error = event?.error
    const message = error
      ? agentMessage(place, `${place.taskId}:end`, [textPart(withoutPaths(error))])
      : undefined
    return { state: endState(status, event), message, timestamp: timestamp(completed_at) }
  }
  const question = questionOf(children)
  if (question === null)
    return {
      state: liveState(children),
      message: undefined,
      timestamp: timestamp(answeredAt ?? dispatched_at),
    }
  const { text, question_id, asked_at } = question
  const message = agentMessage(place, `${place.taskId}:${question_id}`, [textPart(text), dataPart(question)])
  return { state: TaskState.TASK_STATE_INPUT_REQUIRED, message, timestamp: timestamp(asked_at) }
}

/** The message that began it, as far as the unit has it. */
function messageOf({ goal, goals, metadata }: DelegationRecord, place: TaskPlace) {
  const { message_id } = (metadata?.['a2a'] ?? {}) as Partial<KeptCall>
  const parts = goals === undefined ? [textPart(goal)] : [dataPart({ goals })]
  return userMessage(place, message_id ?? `${place.taskId}:begin`, parts)
}

/** What A2A has no field for: our own word, and how each child is. */
function factsOf(record: DelegationRecord, event: AsyncDelegationEvent | null): JsonObject {
  return {
    status: record.status,
    children: record.children.map(({ task_index, state }) => ({ task_index, state })),
    ...(event?.usage && { usage: event.usage }),
    ...(event?.last_known_status && { last_known_status: event.last_known_status }),
  }
}

const localPath = /(?<![\w/:.])(?:file:\/\/)?(?:[A-Za-z]:)?[\\/](?:[^\s\\/:'"()]+[\\/])+(?=[^\s\\/:'"()])/g

/** A stranger learns which file an error is about, and not where things are on this machine. */
export function withoutPaths(error: string): string {
  return error.replace(localPath, '…/')
}

/** Of Unix seconds. */
export const timestamp = (seconds: number): string => new Date(seconds * 1000).toISOString()
