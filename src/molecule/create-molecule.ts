import { DelegationError } from '../index.js'
import type { JsonObject } from '../runner.js'
import type { AuditLog } from './audit-log.js'
import { connect, type ConnectOptions } from './connect.js'
import { createDelegations } from './delegations.js'
import { createMirrors } from './mirrors.js'
import { textIn } from './peer-reply.js'
import { errorSentinel } from './peer-text.js'
import { permissionsOf, type Rbac } from './rbac.js'
import { createRecords, listedRecord, shownRecord, type MoleculeRecord } from './records.js'
import { createSources } from './sources.js'

export interface MoleculeOptions extends ConnectOptions {
  /** A function is asked once; what cannot be read grants nothing. @defaultValue the role `operator` */
  readonly rbac?: Rbac | (() => Rbac)
  /** @defaultValue none is kept */
  readonly audit?: AuditLog
  /** Called once for each delegation, with its final record. Must not throw. */
  readonly onEnded?: (record: MoleculeRecord) => void
  /** What the platform was not told, and why. Must not throw. @defaultValue nobody is told */
  readonly onMirrorLost?: (path: string, reason: string) => void
}

export interface SendOptions {
  /** One of our own workspaces. @defaultValue the one that last listed the peer, else the first */
  readonly source?: string
  /** True: the platform sends it, and keeps it. @defaultValue false; for `delegate` the setting `syncViaPlatform` */
  readonly viaPlatform?: boolean
}

/** A denial has no `task_id`: nothing was stored, and nothing runs. */
export type Accepted =
  | {
      readonly success: true
      readonly task_id: string
      readonly status: 'delegated'
      readonly message: string
    }
  | { readonly success: false; readonly error: string }

export interface PermittedTarget {
  readonly source: string
  readonly target: string
  readonly traceId: string
}

export type Permit =
  | { readonly success: true; readonly source: string; readonly traceId: string }
  | { readonly success: false; readonly error: string }

export type Answer =
  | { readonly ok: true; readonly taskId: string; readonly text: string; readonly isPreview: boolean }
  /** `text` begins with the sentinel `[A2A_ERROR] `. */
  | { readonly ok: false; readonly taskId: string | null; readonly text: string }

/** A workspace of a Molecule platform: what it delegates to others, kept in this process. */
export interface Molecule {
  /** Returns before anything is sent. */
  delegateAsync(target: string, task: string, options?: SendOptions): Accepted
  /** Sends, and waits for the answer as long as the time-out says. Never rejects. */
  delegate(target: string, task: string, options?: SendOptions & { signal?: AbortSignal }): Promise<Answer>
  /**
   * Of one, with a look at the platform if it is queued, or is none of this process's. Without an id: all of this
   * process, as they are known. Never rejects.
   */
  checkTaskStatus(taskId?: string, options?: { source?: string }): Promise<JsonObject>
  /** What `delegateAsync` asks first: permission and self guard, audited; for delegations that are kept elsewhere. */
  permit(target: string, task: string, source?: string): Permit
  /** How what was permitted ended, for the audit. */
  auditEnd(permit: PermittedTarget, outcome: 'success' | 'failure', extra?: JsonObject): void
  get(taskId: string): MoleculeRecord | null
  /** False when it has ended, or is not known. It ends as `failed`, and says whether the peer has confirmed. */
  cancel(taskId: string): boolean
  /** Of each of our workspaces. @throws {Error} when none of them can be asked. */
  listPeers(): Promise<readonly JsonObject[]>
  /** @throws {Error} */
  self(): Promise<JsonObject>
  /** `attachments` as the platform has them: `uri`, `name`. @throws {Error} when the platform has not taken it. */
  sendToUser(message: string, attachments?: readonly JsonObject[]): Promise<void>
  nameOf(target: string): string
  /** Posts that the platform has not taken. */
  readonly lostMirrors: number
  /** Resolves once mirrors and audit are written, or have failed. */
  flushed(): Promise<void>
  /** Stops what runs, and flushes; mirrors that have not gone out after 5 s are dropped. */
  close(): Promise<void>
}

const notifyMs = 10_000
/** What a platform that does not answer may cost at the end. */
const closeMs = 5_000

/** The process lives on while somebody waits; timers of ours alone do not see to that. */
function holding<T>(promise: Promise<T>): Promise<T> {
  const hold = setInterval(() => undefined, 2 ** 30)
  return promise.finally(() => clearInterval(hold))
}

/** @throws {DelegationError} OPTION_INVALID with a line for each problem. */
export function createMolecule(options: MoleculeOptions = {}): Molecule {
  const context = connect(options)
  if ('problems' in context) throw new DelegationError('OPTION_INVALID', { problems: context.problems })
  const { settings, platform, clock } = context
  const [own = '', ...others] = settings.workspaces.map(({ id }) => id)
  const sources = createSources([own, ...others])
  const records = createRecords(clock.now)
  const mirrors = createMirrors(platform.post, options.onMirrorLost ?? (() => undefined))
  const audit = options.audit ?? null
  const delegations = createDelegations({
    context,
    sources,
    permissions: permissionsOf(options.rbac),
    records,
    mirrors,
    audit,
    onEnded: options.onEnded ?? (() => undefined),
  })

  async function flushed(): Promise<void> {
    await mirrors.flushed()
    await audit?.flushed()
  }

  /** Of an id that this process does not know: the platform may, from before a restart or from its own sending. */
  async function elsewhere(taskId: string, source: string): Promise<JsonObject> {
    const sought = { source, target: source, delegationId: taskId, queueId: null }
    const standing = await platform.standing(sought)
    if (standing.kind === 'completed') {
      const { text: result, isPreview } = standing
      return { task_id: taskId, status: 'completed', result, ...(isPreview && { result_is_preview: true }) }
    }
    if (standing.kind === 'failed') return { task_id: taskId, status: 'failed', error: standing.error }
    if (standing.status === 'unknown') return { error: `No delegation found with task_id ${taskId}` }
    const isKnown = standing.status === 'queued' || standing.status === 'pending'
    return { task_id: taskId, status: isKnown ? standing.status : 'in_progress' }
  }

  return {
    delegateAsync(target, task, { source, viaPlatform = false } = {}) {
      const job = delegations.accept(target, task, viaPlatform ? 'platform' : 'direct', source)
      if ('refusal' in job) return { success: false, error: job.refusal }
      void delegations.run(job, 'background')
      const message = `Task delegated to ${target}. Call check_task_status('${job.id}') to see how it stands.`
      return { success: true, task_id: job.id, status: 'delegated', message }
    },
    async delegate(target, task, { source, signal, viaPlatform = settings.syncViaPlatform } = {}) {
      const job = delegations.accept(target, task, viaPlatform ? 'platform' : 'proxy', source)
      if ('refusal' in job) return { ok: false, taskId: null, text: `${errorSentinel}${job.refusal}` }
      const outcome = await holding(delegations.run(job, 'waiting', signal))
      if (outcome?.kind === 'completed')
        return { ok: true, taskId: job.id, text: outcome.text, isPreview: outcome.isPreview }
      const { reason, error } = outcome ?? { reason: 'crashed', error: 'it has no outcome' }
      const cause =
        reason === 'discovery_error'
          ? `workspace ${target} not found or not accessible (check access control): ${error}`
          : error
      return { ok: false, taskId: job.id, text: `${errorSentinel}${cause}` }
    },
    async checkTaskStatus(taskId = '', { source = own } = {}) {
      if (taskId === '') {
        const listed = records.all().map(listedRecord)
        return { delegations: listed, count: listed.length }
      }
      const known = records.get(taskId)
      if (known === null) return elsewhere(taskId, source)
      await delegations.refresh(known)
      return shownRecord(records.get(taskId) ?? known)
    },
    permit(target, task, source) {
      const job = delegations.permit(target, task, source)
      if ('refusal' in job) return { success: false, error: job.refusal }
      return { success: true, source: job.source, traceId: job.id }
    },
    auditEnd: ({ traceId: id, source, target }, outcome, extra = {}) =>
      delegations.auditEnd({ id, source, target }, outcome, extra),
    get: records.get,
    cancel: delegations.cancel,
    async listPeers() {
      const lists = await Promise.allSettled(
        sources.all.map(async (source) => {
          const peers = await platform.peers(source)
          sources.listed(source, peers)
          return peers.map((peer) => ({
            ...peer,
            workspace_id: peer['id'] ?? null,
            source_workspace_id: source,
          }))
        }),
      )
      const [failed] = lists.filter((list) => list.status === 'rejected')
      if (failed !== undefined && lists.every((list) => list.status === 'rejected')) throw failed.reason
      return lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []))
    },
    async self() {
      const workspace = await platform.workspace(own)
      return { ...workspace, workspace_id: textIn(workspace, 'id') ?? own }
    },
    async sendToUser(message, attachments = []) {
      const body = { message, ...(attachments.length > 0 && { attachments }) }
      const outcome = await platform.post(
        own,
        `/workspaces/${encodeURIComponent(own)}/notify`,
        body,
        notifyMs,
      )
      if (outcome.kind !== 'answer') throw new Error(`the user cannot be reached: ${outcome.error}`)
      if (outcome.status >= 300) throw new Error(`the user cannot be reached: HTTP ${outcome.status}`)
    },
    nameOf: sources.nameOf,
    get lostMirrors() {
      return mirrors.lost
    },
    flushed,
    async close() {
      await delegations.close()
      clock.after(closeMs, mirrors.drop)
      await flushed()
    },
  }
}
