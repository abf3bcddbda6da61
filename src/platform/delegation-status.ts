/**
 * The words of a delegation, and where each can go (P44, with P26's `pending` and P27's way back to `queued`). What is
 * said of statuses anywhere else is derived from this table. Words of the queue are others: `messages.ts`.
 */
const next = {
  /** Accepted; nothing has been tried. */
  pending: ['dispatched', 'queued', 'in_progress', 'completed', 'failed', 'stuck'],
  /** It is being sent. */
  dispatched: ['queued', 'in_progress', 'completed', 'failed', 'stuck'],
  /** The workspace is busy or offline; it will be sent. */
  queued: ['dispatched', 'in_progress', 'completed', 'failed', 'stuck'],
  /** The workspace has it, and works. */
  in_progress: ['completed', 'failed', 'stuck'],
  /** A warning: the workspace has fallen silent. */
  stuck: ['completed', 'failed'],
  completed: [],
  failed: [],
} as const satisfies Record<string, readonly string[]>

export type DelegationStatus = keyof typeof next
export type TerminalStatus = 'completed' | 'failed'

export const delegationStatuses = Object.keys(next) as readonly DelegationStatus[]

export function canBecome(from: DelegationStatus, to: DelegationStatus): boolean {
  return (next[from] as readonly string[]).includes(to)
}

export function isTerminal(status: DelegationStatus): status is TerminalStatus {
  return next[status].length === 0
}
