import type { Select } from '../ledger/shapes.js'
import type { WaitingSession } from './waiting-feed.js'

/**
 * Whose completions. The first selector that is given counts; with none, what this delegator itself dispatched. An
 * empty `sessionKey` proves ownership only to the delegator that dispatched it.
 */
export interface CompletionSelect {
  readonly ids?: readonly string[]
  /** What `watch` told of. */
  readonly waiting?: WaitingSession
  readonly sessionKey?: string
  readonly parentSessionId?: string
  readonly originUiSessionId?: string
  /** Everything in the ledger, whoever it belongs to. */
  readonly all?: boolean
}

/** Turns the caller's selector into the ledger's. */
export function selectOf(select: CompletionSelect, ownerId: string): Select {
  if (select.ids !== undefined) return { ids: select.ids }
  if (select.waiting !== undefined) {
    const { sessionKey, parentSessionId, dispatchedBy } = select.waiting
    return { sessionKey, parentSessionId, ...(dispatchedBy !== undefined && { dispatchedBy }) }
  }
  if (select.sessionKey !== undefined) {
    const { sessionKey } = select
    return sessionKey === '' ? { sessionKey, dispatchedBy: ownerId } : { sessionKey }
  }
  if (select.parentSessionId !== undefined) return { parentSessionId: select.parentSessionId }
  if (select.originUiSessionId !== undefined) return { originUiSessionId: select.originUiSessionId }
  return select.all === true ? { all: true } : { dispatchedBy: ownerId }
}
