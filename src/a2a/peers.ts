/** Peers as the tools of a model see them: workspaces by name, whose tasks are units of the ledger. */
import type { AsyncDelegationEvent, Delegator, DelegationRecord, RunnerReference } from '../index.js'
import { DelegationError, redact } from '../index.js'
import type { Json, JsonObject } from '../runner.js'
import { pingPeer } from './ping-peer.js'

export interface PeerDirectoryOptions {
  readonly delegator: Delegator
  /** What `peerRunner` made, by the ids under which a model knows them. */
  readonly peers: Readonly<Record<string, RunnerReference>>
  /** Whose tasks they are. @defaultValue `''` */
  readonly sessionKey?: string | (() => string)
  /** The caller's own workspace. @defaultValue `{ workspace_id: 'self', name: 'self', role: 'host', status: 'online' }` */
  readonly self?: JsonObject
  /** @defaultValue none: the host has no chat */
  readonly sendToUser?: (message: string, attachments: readonly string[]) => Promise<void>
  /** Asked before anything is sent; what it throws is told to the model. @defaultValue every peer may be sent to */
  readonly permit?: (workspaceId: string) => void
  /** Told of each task that was accepted here. Must not throw. @defaultValue nobody */
  readonly onStarted?: (started: {
    readonly workspaceId: string
    readonly task: string
    readonly taskId: string
  }) => void
}

/** Fits the tools' own `PeerDirectory`. */
export interface PeerWorkspaces {
  list(): Promise<readonly JsonObject[]>
  self(): Promise<JsonObject>
  delegate(workspaceId: string, task: string): Promise<JsonObject>
  delegateAsync(workspaceId: string, task: string): Promise<string>
  status(workspaceId: string, taskId: string): Promise<PeerStatus>
  sendToUser(message: string, attachments: readonly string[]): Promise<void>
}

export interface PeerStatus {
  readonly status: 'pending' | 'in_progress' | 'queued' | 'completed' | 'failed'
  readonly result?: string
  readonly error?: string
}

/** How long a card is waited for when peers are listed, ms. */
const listMs = 5_000

/** Fits `createTools({ peers })`: `delegate_task` with a `workspace_id`, `list_peers`, `check_task_status` of remote ids. */
export function createPeerDirectory(options: PeerDirectoryOptions): PeerWorkspaces {
  const { delegator, peers, sessionKey = '' } = options
  const known = new Map(Object.entries(peers))
  const ownKey = (): string => (typeof sessionKey === 'string' ? sessionKey : sessionKey())

  function runnerOf(id: string): RunnerReference {
    const runner = known.get(id)
    if (runner === undefined) throw new Error(`workspace ${id.slice(0, 100)} not found or not accessible`)
    return { ...runner, name: runner.name ?? id }
  }

  async function start(workspaceId: string, task: string, delivery: 'claim' | 'collect'): Promise<string> {
    options.permit?.(workspaceId)
    const outcome = await delegator.dispatch({
      goal: task,
      runner: runnerOf(workspaceId),
      sessionKey: ownKey(),
      metadata: { workspace_id: workspaceId },
      delivery,
    })
    if (outcome.status === 'rejected') throw new Error(outcome.error)
    options.onStarted?.({ workspaceId, task, taskId: outcome.delegationId })
    return outcome.delegationId
  }

  return {
    list: () => Promise.all([...known].map(([id, runner]) => listed(id, runner))),
    self: () =>
      Promise.resolve(options.self ?? { workspace_id: 'self', name: 'self', role: 'host', status: 'online' }),
    async delegate(workspaceId: string, task: string): Promise<JsonObject> {
      const id = await start(workspaceId, task, 'collect')
      const event = await delegator.wait(id, { collect: true })
      const { status, result, error } = statusOfEvent(event)
      if (status === 'failed') throw new Error(error ?? 'it failed')
      return { workspace_id: workspaceId, task_id: id, status, result: result ?? '' }
    },
    delegateAsync: (workspaceId: string, task: string) => start(workspaceId, task, 'claim'),
    async status(workspaceId: string, taskId: string): Promise<PeerStatus> {
      const record = await recordOf(delegator, taskId)
      if (
        record === null ||
        record.session_key !== ownKey() ||
        record.metadata?.['workspace_id'] !== workspaceId
      )
        throw new Error(`task ${taskId.slice(0, 100)} not found at ${workspaceId.slice(0, 100)}`)
      if (record.completed_at !== null) return statusOfEvent(await delegator.wait(taskId))
      const state = record.children[0]?.state
      return { status: state === 'waiting' ? 'pending' : state === 'queued' ? 'queued' : 'in_progress' }
    },
    async sendToUser(message: string, attachments: readonly string[]): Promise<void> {
      if (options.sendToUser === undefined) throw new Error('this host has no chat to send to')
      await options.sendToUser(message, attachments)
    },
  }
}

async function listed(id: string, runner: RunnerReference): Promise<JsonObject> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), listMs)))
  try {
    const facts = await Promise.race([pingPeer(runner), late])
    if (facts === null)
      return { workspace_id: id, name: id, status: 'offline', error: `no card within ${listMs} ms` }
    return {
      workspace_id: id,
      name: facts.name || id,
      status: 'online',
      version: facts.version,
      url: facts.url,
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { workspace_id: id, name: id, status: 'offline', error: redact(why) }
  } finally {
    clearTimeout(timer)
  }
}

async function recordOf(delegator: Delegator, id: string): Promise<DelegationRecord | null> {
  try {
    return await delegator.get(id)
  } catch (error) {
    if (error instanceof DelegationError && error.code === 'UNKNOWN_DELEGATION') return null
    throw error
  }
}

/** One of the five words (7.2); what was canceled has failed for who asked for it. */
function statusOfEvent(event: AsyncDelegationEvent): PeerStatus {
  const { status, error } = event
  const { summary } = event as { readonly summary?: Json }
  if (status === 'completed') return { status, result: typeof summary === 'string' ? summary : '' }
  return { status: 'failed', error: error ?? `it ended as ${status}` }
}
