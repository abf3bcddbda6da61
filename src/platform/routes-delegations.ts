/** P15-P18: delegations that the platform runs, and those it is told of. */
import * as z from 'zod'
import { createGate, type Parts, type Route } from './context.js'
import { delegationView, type DelegationRow } from './delegations.js'
import { isTerminal } from './delegation-status.js'
import { answer, bodyOf, countIn, field } from './http.js'
import { Refused } from './refusal.js'
import type { WorkspaceRow } from './workspaces.js'

const order = z.object({
  target_id: field.uuid,
  task: field.word(1_000_000),
  idempotency_key: field.word(256).nullish(),
})

const record = z.object({
  target_id: field.uuid,
  task: field.line(1_000_000),
  delegation_id: field.word(256),
})

const update = z.object({
  // A word of the dialect's clients (2.11); the queue's own words are none of theirs.
  status: z.enum(['queued', 'completed', 'failed'], 'expected one of queued, completed, failed'),
  error: field.line(65_536).nullish(),
  response_preview: field.line(1_000_000).nullish(),
})

const listedByDefault = 50
const listedMost = 500
/** Of results in one list; older ones are cut then, and stand in full behind their own id. */
const listCharacters = 8 * 1024 * 1024
const summaryCharacters = 100

export function createDelegationRoutes(parts: Parts): readonly Route[] {
  const { store, workspaces, delegations, messages, activities, hub, desk, books, courier, options } = parts
  const gate = createGate(parts)
  const deadlineAt = (): number => options.clock.now() + options.deadlineMs / 1000

  function target(own: WorkspaceRow, id: string): WorkspaceRow {
    const row = workspaces.get(id)
    if (id === own.id)
      throw new Refused('self_delegation', 'self-delegation not permitted', {
        reason: 'a workspace would wait for itself',
        hint: 'do the work yourself, or choose another workspace: trying again is pointless',
      })
    if (row === undefined) throw new Refused('not_found', 'workspace not found')
    if (!workspaces.mayTalk(own.id, id))
      throw new Refused('not_authorized', 'access denied: workspaces cannot communicate per hierarchy rules')
    return row
  }

  function sent(own: WorkspaceRow, callee: string, id: string, task: string): void {
    activities.add({
      workspace_id: own.id,
      activity_type: 'delegation',
      method: 'delegate',
      source_id: own.id,
      target_id: callee,
      status: 'pending',
      summary: `Delegating to ${callee}`,
      request_body: { task, delegation_id: id },
    })
  }

  function tellSent(own: WorkspaceRow, callee: string, id: string, task: string): void {
    const payload = { delegation_id: id, target_id: callee, task_preview: task.slice(0, summaryCharacters) }
    hub.tell(own.id, 'DELEGATION_SENT', payload)
  }

  /** The whole of what a delegation is stands in the file when this returns (P26, and 6-B7 to B25). */
  function accept(own: WorkspaceRow, { target_id, task, idempotency_key }: z.infer<typeof order>) {
    return store.write(() => {
      const key = idempotency_key ?? null
      const before = key === null ? undefined : delegations.byKey(own.id, key)
      if (before !== undefined && (before.callee_id !== target_id || before.task !== task))
        throw new Refused('key_reused', 'the idempotency key belongs to another target or task')
      if (before !== undefined && before.status !== 'failed') return { before }
      if (before !== undefined) delegations.releaseKey({ caller: own.id, id: before.delegation_id })
      checkRoom(parts, target_id, own.id)
      const id = options.newId()
      const at = deadlineAt()
      delegations.add({ caller: own.id, id, callee: target_id, task, status: 'pending', key, deadlineAt: at })
      const message = messages.enqueue({
        target: target_id,
        caller: own.id,
        messageId: id,
        delegationId: id,
        body: JSON.stringify(messageOf(id, task)),
        headers: {},
        expiresAt: at,
      })
      sent(own, target_id, id, task)
      return { id, message }
    })
  }

  return [
    {
      method: 'POST',
      path: '/workspaces/:id/delegate',
      async handle(call) {
        const own = gate.own(call)
        if (own.can_delegate === 0) throw new Refused('not_authorized', 'tool call failed')
        const body = await bodyOf(call.request, order, 'invalid delegation request')
        const { target_id, task } = body
        target(own, target_id)
        const accepted = accept(own, body)
        if ('before' in accepted) {
          const { delegation_id, status } = accepted.before
          return answer(200, { delegation_id, status, target_id, idempotent_hit: true })
        }
        tellSent(own, target_id, accepted.id, task)
        courier.accepted(accepted.message)
        return answer(202, { delegation_id: accepted.id, status: 'delegated', target_id })
      },
    },
    {
      method: 'GET',
      path: '/workspaces/:id/delegations',
      handle(call) {
        const own = gate.own(call)
        const limit = countIn(call.url, 'limit', listedByDefault, listedMost)
        const before = countIn(call.url, 'before', 0, Number.MAX_SAFE_INTEGER)
        const rows = delegations.list(own.id, limit, before === 0 ? null : before)
        let left = listCharacters
        return answer(
          200,
          rows.map((row) => {
            left -= row.result?.length ?? 0
            return delegationView(row, own.id, left < 0)
          }),
        )
      },
    },
    {
      method: 'GET',
      path: '/workspaces/:id/delegations/:delegation_id',
      handle(call) {
        const own = gate.own(call)
        const row = delegations.get({ caller: own.id, id: call.params['delegation_id'] ?? '' })
        if (row === undefined) throw new Refused('not_found', 'delegation not found')
        return answer(200, fullView(row, own.id))
      },
    },
    {
      method: 'POST',
      path: '/workspaces/:id/delegations/record',
      async handle(call) {
        const own = gate.own(call)
        const { target_id, task, delegation_id } = await bodyOf(
          call.request,
          record,
          'invalid delegation record',
        )
        target(own, target_id)
        const isNew = store.write(() => {
          const before = delegations.get({ caller: own.id, id: delegation_id })
          if (before !== undefined && (before.callee_id !== target_id || before.task !== task))
            throw new Refused('conflict', 'the delegation_id belongs to another target or task')
          if (before !== undefined) return false
          const where = { caller: own.id, id: delegation_id, callee: target_id, task }
          const deadline = { key: null, deadlineAt: deadlineAt() }
          const row = delegations.add({ ...where, status: 'dispatched', ...deadline })
          sent(own, target_id, delegation_id, task)
          books.catchUp(row)
          return true
        })
        if (isNew) tellSent(own, target_id, delegation_id, task)
        return answer(202, { delegation_id, status: 'recorded' })
      },
    },
    {
      method: 'POST',
      path: '/workspaces/:id/delegations/:delegation_id/update',
      async handle(call) {
        const own = gate.own(call)
        const id = call.params['delegation_id'] ?? ''
        const { status, error, response_preview } = await bodyOf(call.request, update, 'invalid update')
        const row = delegations.get({ caller: own.id, id })
        if (row === undefined) throw new Refused('not_found', 'delegation not found')
        const isMoved = desk.move(row, status, {
          ...(status === 'completed' && { result: response_preview ?? '' }),
          ...(status === 'failed' && { error: error || 'failed, and nobody has said why' }),
        })
        // Its caller has its end: what still waits for it in the queue would be work for nobody.
        if (isMoved && isTerminal(status))
          for (const message of messages.ofDelegation(own.id, id))
            if (message.status === 'queued') courier.drop(message, 'its caller has ended the delegation')
        return answer(200, { status, delegation_id: id })
      },
    },
  ]
}

/** Of one caller, whatever the queue holds: half of it, and no less than this. */
const leastShare = 10

/** @throws {Refused} queue_full, before anything is kept */
export function checkRoom({ messages, options }: Parts, target: string, caller: string): void {
  const refuse = (limit: number, whose: string): never => {
    throw new Refused('queue_full', `${limit} messages ${whose}wait for the workspace already`, {
      busy: true,
      retry_after: 30,
      limit,
    })
  }
  const share = Math.max(leastShare, Math.floor(options.maxQueued / 2))
  if (messages.depth(target) >= options.maxQueued) refuse(options.maxQueued, '')
  if (messages.depthOf(target, caller) >= share) refuse(share, 'of yours ')
}

function fullView(row: DelegationRow, viewer: string) {
  const { task, result } = row
  return { ...delegationView(row, viewer), task, ...(result !== null && { result }) }
}

function messageOf(id: string, task: string) {
  return {
    jsonrpc: '2.0',
    id: `delegation-${id}`,
    method: 'message/send',
    params: {
      message: {
        kind: 'message',
        role: 'user',
        messageId: id,
        parts: [{ kind: 'text', text: task }],
        metadata: { delegation_id: id },
      },
    },
  }
}
