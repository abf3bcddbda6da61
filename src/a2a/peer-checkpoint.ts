/** What another run of a child has to know of the one before: enough to go on following, and not to send again. */
import type { Json, JsonObject } from '../runner.js'

export interface PeerCheckpoint {
  /** Of the first message; every later one has this one's as its beginning. */
  readonly messageId: string
  /** Null until the peer has named its task. */
  readonly taskId: string | null
  readonly contextId: string | null
  /** How many questions were answered. */
  readonly answers: number
  /** When the peer said that the message stands in its queue, Unix seconds. */
  readonly queuedAt: number | null
}

export function writtenCheckpoint(at: PeerCheckpoint): JsonObject {
  return {
    message_id: at.messageId,
    task_id: at.taskId,
    context_id: at.contextId,
    answers: at.answers,
    queued_at: at.queuedAt,
  }
}

/** Null for what is no checkpoint of this runner. */
export function readCheckpoint(state: Json): PeerCheckpoint | null {
  if (typeof state !== 'object' || state === null || Array.isArray(state)) return null
  const { message_id: messageId, task_id, context_id, answers, queued_at } = state as JsonObject
  if (typeof messageId !== 'string') return null
  return {
    messageId,
    taskId: typeof task_id === 'string' ? task_id : null,
    contextId: typeof context_id === 'string' ? context_id : null,
    answers: typeof answers === 'number' ? answers : 0,
    queuedAt: typeof queued_at === 'number' ? queued_at : null,
  }
}
