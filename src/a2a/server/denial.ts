/** The host's own words name its settings, roles and sessions: a remote caller is told what it can act on. */
import { DelegationError, type Rejected } from '../../index.js'
import type { JsonObject } from '../../runner.js'

/** Why no task was begun, as its caller may know it. */
export interface Denial {
  readonly text: string
  /** `code`, and what it is about; null where the work could not be handed over at all. */
  readonly data: JsonObject | null
}

const full = 'the agent is at its capacity; try later'

export function refusalShown({ refusal }: Rejected): Denial {
  if (refusal === undefined) return { text: 'the agent could not take the task', data: null }
  return { text: full, data: { code: refusal.code, retry_hint: full } }
}

/** What the host's gate has denied. @throws what is no denial */
export function denialShown(error: unknown): Denial {
  if (!(error instanceof DelegationError) || error.code !== 'PERMISSION_DENIED') throw error
  const { permission } = error.detail
  return typeof permission === 'string'
    ? {
        text: `the agent has not the permission '${permission}', which the task needs`,
        data: { code: error.code, permission },
      }
    : { text: 'the permissions of the agent do not allow the task', data: { code: error.code } }
}
