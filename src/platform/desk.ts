/** The end of delegations, and what is told of them on the way: every part of the platform moves them here. */
import type { JsonObject } from '../runner.js'
import type { Activities } from './activities.js'
import type { DelegationRow, Delegations, MoveDetail } from './delegations.js'
import { isTerminal, type DelegationStatus } from './delegation-status.js'
import type { EventHub } from './event-hub.js'
import type { Store } from './store.js'

export interface Desk {
  /**
   * True: this call has moved it, and has told its caller. `via` says how, where that is not the usual way. Part of the
   * transaction it is called in; the event goes out with it.
   */
  move(row: DelegationRow, to: DelegationStatus, detail?: MoveDetail & { readonly via?: string }): boolean
}

interface DeskOptions {
  readonly store: Store
  readonly delegations: Delegations
  readonly activities: Activities
  readonly hub: EventHub
}

const summaryCharacters = 80
const previewCharacters = 200

export function createDesk({ store, delegations, activities, hub }: DeskOptions): Desk {
  return {
    move(row, to, detail = {}) {
      const { caller_id: caller, delegation_id: id, callee_id: target } = row
      const { result = '', error, via } = detail
      const isMoved = store.write(() => {
        if (!delegations.move({ caller, id }, to, detail)) return false
        if (isTerminal(to))
          activities.add({
            workspace_id: caller,
            activity_type: 'delegation',
            method: 'delegate_result',
            source_id: caller,
            target_id: target,
            status: to,
            summary:
              to === 'completed'
                ? `Delegation completed (${result.slice(0, summaryCharacters)})`
                : `Delegation failed: ${(error ?? '').slice(0, summaryCharacters)}`,
            response_body: { delegation_id: id, ...(to === 'completed' && { text: result }) },
            error_detail: error ?? null,
          })
        return true
      })
      if (!isMoved) return false
      const payload: JsonObject = { delegation_id: id, target_id: target, ...(via !== undefined && { via }) }
      if (to === 'completed')
        hub.tell(caller, 'DELEGATION_COMPLETE', {
          ...payload,
          response_preview: result.slice(0, previewCharacters),
        })
      else if (to === 'failed') hub.tell(caller, 'DELEGATION_FAILED', { ...payload, error: error ?? '' })
      else hub.tell(caller, 'DELEGATION_STATUS', { ...payload, status: to })
      return true
    },
  }
}
