/** What the tools of the section *peers* are run against, on a Molecule platform (implements `PeerDirectory`). */
import { basename } from 'node:path'
import { redact, type Delegator } from '../index.js'
import type { JsonObject } from '../runner.js'
import type { Molecule } from './create-molecule.js'
import { moleculeRunner, type MoleculeRunnerOptions } from './molecule-runner.js'
import { textIn } from './peer-reply.js'
import { errorSentinel, fenced, sanitised } from './peer-text.js'

export interface MoleculeDirectoryOptions {
  /** Then `delegate_task_async` starts units of its ledger: they survive this process, and their results are turns. */
  readonly units?: {
    readonly delegator: Delegator
    readonly connection: Omit<MoleculeRunnerOptions, 'target'>
    /** Whose units they are. @defaultValue `''` */
    readonly sessionKey?: string | (() => string)
  }
}

export interface MoleculeDirectory {
  list(): Promise<readonly JsonObject[]>
  self(): Promise<JsonObject>
  /** Rejects with what the model is told. A reply is fenced: a peer's words are data. */
  delegate(workspaceId: string, task: string): Promise<JsonObject>
  delegateAsync(workspaceId: string, task: string): Promise<string>
  status(workspaceId: string, taskId: string): Promise<MoleculeTaskStatus>
  sendToUser(message: string, attachments: readonly string[]): Promise<void>
}

export interface MoleculeTaskStatus {
  readonly status: 'pending' | 'in_progress' | 'queued' | 'completed' | 'failed'
  readonly result?: string
  readonly error?: string
}

export function createMoleculeDirectory(
  molecule: Molecule,
  { units }: MoleculeDirectoryOptions = {},
): MoleculeDirectory {
  // What an event carries of its permit is enough, also in a process that has taken the unit over.
  units?.delegator.events.on('completion', ({ delegation_id, status, error, metadata }) => {
    const { workspace_id: target, source_workspace_id: source, trace_id: traceId } = metadata ?? {}
    if (typeof target !== 'string' || typeof source !== 'string' || typeof traceId !== 'string') return
    const isDone = status === 'completed'
    const extra = { delegation_id, ...(!isDone && { reason: status, last_error: redact(error ?? status) }) }
    molecule.auditEnd({ source, target, traceId }, isDone ? 'success' : 'failure', extra)
  })

  function ownKey(): string {
    const { sessionKey = '' } = units ?? {}
    return typeof sessionKey === 'string' ? sessionKey : sessionKey()
  }

  async function dispatched(target: string, task: string): Promise<string> {
    if (units === undefined) throw new Error('no units')
    const permit = molecule.permit(target, task, units.connection.source)
    if (!permit.success) throw new Error(permit.error)
    const { delegator, connection } = units
    const outcome = await delegator.dispatch({
      goal: task,
      sessionKey: ownKey(),
      runner: moleculeRunner({ ...connection, source: permit.source, target }),
      metadata: { workspace_id: target, source_workspace_id: permit.source, trace_id: permit.traceId },
    })
    if (outcome.status === 'dispatched') return outcome.delegationId
    throw new Error(outcome.error)
  }

  /** Null for an id that is no unit's, and for one of another session, or of another workspace. */
  async function unitStatus(workspaceId: string, id: string): Promise<MoleculeTaskStatus | null> {
    if (units === undefined) return null
    const { delegator } = units
    const record = await delegator.get(id).catch(() => null)
    const isOwn = record?.session_key === ownKey() && record.metadata?.['workspace_id'] === workspaceId
    if (record === null || !isOwn) return null
    if (record.completed_at === null) return { status: 'in_progress' }
    const event = await delegator.wait(id)
    if (record.status === 'completed')
      return { status: 'completed', result: fenced(event.is_batch === true ? '' : (event.summary ?? '')) }
    return { status: 'failed', error: sanitised(event.error ?? `it ended as ${record.status}`) }
  }

  return {
    async list() {
      const peers = await molecule.listPeers()
      return peers.map((peer) => ({
        ...peer,
        name: peer['name'] ?? molecule.nameOf(textIn(peer, 'workspace_id') ?? ''),
      }))
    },
    self: () => molecule.self(),
    async delegate(workspaceId, task) {
      const answer = await molecule.delegate(workspaceId, task)
      if (!answer.ok) {
        const raw = answer.text.slice(errorSentinel.length)
        throw new Error(`${molecule.nameOf(workspaceId)}: ${sanitised(raw)}`)
      }
      return {
        workspace_id: workspaceId,
        task_id: answer.taskId,
        status: 'completed',
        result: fenced(answer.text),
        ...(answer.isPreview && { result_is_preview: true }),
      }
    },
    async delegateAsync(workspaceId, task) {
      if (units !== undefined) return dispatched(workspaceId, task)
      const accepted = molecule.delegateAsync(workspaceId, task)
      if (accepted.success) return accepted.task_id
      throw new Error(accepted.error)
    },
    async status(workspaceId, taskId) {
      const unit = await unitStatus(workspaceId, taskId)
      if (unit !== null) return unit
      const { status, result, error } = await molecule.checkTaskStatus(taskId)
      if (typeof status !== 'string')
        throw new Error(typeof error === 'string' ? error : 'no delegation of that id is known')
      return {
        status: status as MoleculeTaskStatus['status'],
        ...(typeof result === 'string' && { result: fenced(result) }),
        ...(typeof error === 'string' && { error: sanitised(error) }),
      }
    },
    sendToUser: (message, attachments) =>
      molecule.sendToUser(
        message,
        attachments.map((path) => ({ uri: `workspace:${path}`, name: basename(path) })),
      ),
  }
}
