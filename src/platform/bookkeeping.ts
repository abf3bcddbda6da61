/** What is written of a message's way, together with its delegation: one transaction for both, so that neither is ahead. */
import { parsed, readAnswer, type Answer, type TaskIds } from './answer.js'
import type { Activities } from './activities.js'
import type { DelegationRow, Delegations } from './delegations.js'
import type { Desk } from './desk.js'
import type { MessageEnd, MessageRow, Messages } from './messages.js'
import type { Store } from './store.js'

export interface Bookkeeping {
  delegationOf(row: MessageRow): DelegationRow | undefined
  /** Of one that is new: a message of it may have ended before anyone told of it. */
  catchUp(delegation: DelegationRow): void
  claim(target: string): MessageRow | undefined
  requeue(row: MessageRow, error: string, isFree: boolean): void
  follow(row: MessageRow, task: TaskIds & { readonly taskId: string }, delegation: DelegationRow): void
  end(row: MessageRow, how: MessageEnd, answer: Answer, durationMs: number): void
  drop(row: MessageRow, error: string): void
}

interface BookkeepingOptions {
  readonly store: Store
  readonly delegations: Delegations
  readonly messages: Messages
  readonly activities: Activities
  readonly desk: Desk
}

export function createBookkeeping(options: BookkeepingOptions): Bookkeeping {
  const { store, delegations, messages, activities, desk } = options

  function delegationOf(row: MessageRow): DelegationRow | undefined {
    const { delegation_id: id, caller_id: caller, workspace_id } = row
    const found = id === null ? undefined : delegations.get({ caller, id })
    return found?.callee_id === workspace_id ? found : undefined
  }

  function moveBy(delegation: DelegationRow, answer: Answer): void {
    if (answer.kind === 'done') desk.move(delegation, 'completed', { result: answer.text })
    else if (answer.kind === 'failed') desk.move(delegation, 'failed', { error: answer.error })
    // What the workspace has put into a queue of its own has no answer yet (6-B29), and is not sent again.
    else desk.move(delegation, answer.kind === 'acknowledged' ? 'queued' : 'in_progress')
  }

  return {
    delegationOf,
    catchUp(delegation) {
      const { caller_id: caller, callee_id: callee, delegation_id: id } = delegation
      const message = messages.ofDelegation(caller, id).find((row) => row.workspace_id === callee)
      if (message === undefined) return
      const { status, http_status, response_body, last_error: error } = message
      if (status === 'dropped') desk.move(delegation, 'failed', { error: error ?? 'it was dropped' })
      else if (http_status !== null) moveBy(delegation, readAnswer(http_status, response_body ?? ''))
      else if (status === 'queued') desk.move(delegation, 'queued')
    },
    claim: (target) =>
      store.write(() => {
        const claimed = messages.claim(target)
        const delegation = claimed && delegationOf(claimed)
        if (delegation !== undefined) desk.move(delegation, 'dispatched')
        return claimed
      }),
    requeue(row, error, isFree) {
      store.write(() => {
        messages.requeue(row.queue_id, error, isFree)
        const delegation = delegationOf(row)
        if (delegation !== undefined) desk.move(delegation, 'queued')
      })
    },
    follow(row, { taskId, contextId }, delegation) {
      store.write(() => {
        messages.follow(row.queue_id, taskId, contextId)
        desk.move(delegation, 'in_progress')
      })
    },
    end(row, how, answer, durationMs) {
      store.write(() => {
        if (!messages.end(row.queue_id, how)) return
        const delegation = delegationOf(row)
        if (delegation !== undefined) moveBy(delegation, answer)
        activities.add({
          workspace_id: row.workspace_id,
          activity_type: 'a2a_receive',
          source_id: row.caller_id === '' ? null : row.caller_id,
          target_id: row.workspace_id,
          method: 'message/send',
          summary: answer.kind === 'failed' ? 'message failed' : 'message answered',
          request_body: parsed(row.body) ?? null,
          response_body: how.body === undefined ? null : (parsed(how.body) ?? how.body),
          status: answer.kind === 'failed' ? 'error' : 'ok',
          error_detail: how.error ?? null,
          duration_ms: Math.round(durationMs),
        })
      })
    },
    drop(row, error) {
      store.write(() => {
        if (!messages.end(row.queue_id, { status: 'dropped', error })) return
        const delegation = delegationOf(row)
        if (delegation !== undefined) desk.move(delegation, 'failed', { error, via: 'queue_drain_drop' })
      })
    },
  }
}
