import type { JsonObject } from '../runner.js'

/** Agents elsewhere, and the user's chat: what the tools of the section *peers* are run against. Answers are plain data. */
export interface PeerDirectory {
  /** Each at least with `workspace_id`, `name` and `status`. */
  list(): Promise<readonly JsonObject[]>
  /** The caller's own workspace: `workspace_id`, `name`, `role`, `status`. */
  self(): Promise<JsonObject>
  /**
   * Sends and waits for the reply. Rejects when the peer cannot be reached, or fails.
   * @param signal aborts when nobody waits for the reply any more
   */
  delegate(workspaceId: string, task: string, signal?: AbortSignal | null): Promise<JsonObject>
  /** Sends, and resolves to the id under which the peer keeps it. */
  delegateAsync(workspaceId: string, task: string): Promise<string>
  /** The peer's word, one of the five, with `result` or `error`. */
  status(workspaceId: string, taskId: string): Promise<PeerTaskStatus>
  sendToUser(message: string, attachments: readonly string[]): Promise<void>
}

export interface PeerTaskStatus {
  readonly status: 'pending' | 'in_progress' | 'queued' | 'completed' | 'failed'
  readonly result?: string
  readonly error?: string
}
