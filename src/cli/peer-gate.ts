/**
 * Who may delegate to peers, and what of it is audited: asked at every dispatch of a command, one of a child's too, so that
 * no way to a peer goes round it (6-B23).
 */
import { isPeerRunner } from '../a2a/peer-runner.js'
import type { Config } from '../config/load.js'
import {
  DelegationError,
  redact,
  type AsyncDelegationEvent,
  type Delegator,
  type Gate,
  type RunnerReference,
} from '../index.js'
import {
  createAuditLog,
  isMoleculeRunner,
  permissionsOf,
  rbacFrom,
  type AuditEvent,
  type AuditLog,
  type Permissions,
} from '../molecule/molecule.js'
import { printProblem } from './render.js'

export interface PeerGate {
  readonly gate: Gate
  readonly permissions: Permissions
  readonly audit: AuditLog
  /** The ends of what was let in are audited as they come. */
  watch(delegator: Delegator): void
  /** The delegator for who asks, and audits, by itself. */
  passed(delegator: Delegator): Delegator
}

/** What a command does for callers of its own: whose task it is, by its session. */
export type CallerOf = (sessionKey: string) => string | null

type Common = Pick<AuditEvent, 'event_type' | 'action' | 'workspace_id' | 'actor' | 'resource'>

/** The own workspace of who has no platform. */
const self = 'self'
const previewCharacters = 200

export function createPeerGate(config: Config, callerOf: CallerOf = () => null): PeerGate {
  const { path, auditPath } = config
  const permissions = permissionsOf(path === null ? {} : rbacFrom(path))
  const audit = createAuditLog({ path: auditPath, onWarning: printProblem })
  const passed = new WeakSet<RunnerReference>()
  const running = new Map<string, readonly Common[]>()

  function delegation(resource: string): Common {
    return { event_type: 'delegation', action: 'delegate', workspace_id: self, resource }
  }

  /** @throws {DelegationError} PERMISSION_DENIED */
  function permit(resource: string): void {
    const permission = 'delegate'
    const reason = permissions.refusal(permission)
    if (reason === null) return
    const denial = { event_type: 'rbac', action: 'rbac.deny', outcome: 'denied' }
    const extra = { attempted_action: permission, roles: permissions.roles }
    audit.record({ ...delegation(resource), ...denial, extra })
    throw new DelegationError('PERMISSION_DENIED', { runner: resource, permission, reason })
  }

  /** What another process has begun says with whom, where a model's tool began it. */
  function takenOver(metadata: AsyncDelegationEvent['metadata']): readonly Common[] {
    const { workspace_id: peer, source_workspace_id: source } = metadata ?? {}
    return typeof peer === 'string' && source === undefined ? [delegation(peer)] : []
  }

  return {
    permissions,
    audit,
    gate({ sessionKey, parentId, children }) {
      const caller = parentId === null ? callerOf(sessionKey) : null
      const peers = children.map(({ runner }) =>
        runner !== null && isElsewhere(runner) && !passed.has(runner) ? nameOf(runner) : null,
      )
      for (const peer of new Set(peers)) if (peer !== null) permit(peer)
      if (caller === null && peers.every((peer) => peer === null)) return null
      return ({ delegationId, taskIndexes }) => {
        const own = new Set(taskIndexes.map((index) => peers[index] ?? null))
        const first = children[taskIndexes[0] ?? 0]
        const received = {
          ...delegation(first?.runner ? nameOf(first.runner) : 'function'),
          action: 'receive',
          actor: caller ?? self,
        }
        const entries = [
          ...(caller === null ? [] : [received]),
          ...[...own].filter((peer) => peer !== null).map(delegation),
        ]
        const task_preview = redact((first?.goal ?? '').slice(0, previewCharacters))
        for (const entry of entries)
          audit.record({
            ...entry,
            trace_id: delegationId,
            outcome: 'dispatched',
            extra: { task_preview, ...(parentId !== null && { parent_id: parentId }) },
          })
        running.set(delegationId, entries)
      }
    },
    watch({ events }) {
      events.on('completion', ({ delegation_id: trace_id, status, error, metadata }) => {
        const isDone = status === 'completed'
        const extra = isDone ? {} : { reason: status, last_error: redact(error ?? status) }
        for (const entry of running.get(trace_id) ?? takenOver(metadata))
          audit.record({ ...entry, trace_id, outcome: isDone ? 'success' : 'failure', extra })
        running.delete(trace_id)
      })
      events.on('gone', ({ delegation_id }) => running.delete(delegation_id))
    },
    passed: (delegator) => ({
      ...delegator,
      dispatch(call) {
        if (typeof call.runner === 'object') passed.add(call.runner)
        return delegator.dispatch(call)
      },
    }),
  }
}

const isElsewhere = (runner: RunnerReference): boolean => isPeerRunner(runner) || isMoleculeRunner(runner)
const nameOf = ({ name, url }: RunnerReference): string => name ?? url
