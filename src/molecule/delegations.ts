/** The life of a delegation in this process: permission, record, job, mirrors, audit, and one end. */
import { randomUUID } from 'node:crypto'
import { redact } from '../index.js'
import type { JsonObject } from '../runner.js'
import type { AuditEvent, AuditLog } from './audit-log.js'
import { followJob, settledBy } from './follow-job.js'
import type { Mirrors } from './mirrors.js'
import { failed } from './peer-reply.js'
import type { Permissions } from './rbac.js'
import { firstCharacters, hasEnded, type MoleculeRecord, type Records } from './records.js'
import {
  ended,
  sendJob,
  type Job,
  type JobContext,
  type Outcome,
  type Route,
  type Taken,
} from './send-job.js'
import type { Sources } from './sources.js'

export interface DelegationsOptions {
  readonly context: JobContext
  readonly sources: Sources
  readonly permissions: Permissions
  readonly records: Records
  readonly mirrors: Mirrors
  readonly audit: AuditLog | null
  readonly onEnded: (record: MoleculeRecord) => void
}

/** `waiting`: the caller waits for the answer. `background`: what is queued stays so until somebody looks. */
export type RunMode = 'waiting' | 'background'

export interface Delegations {
  /** Nothing here touches the network. A refusal has stored nothing. */
  accept(target: string, task: string, route: Route, source: string | undefined): Job | { refusal: string }
  /** As `accept`, and nothing is stored: for delegations that are kept elsewhere. */
  permit(target: string, task: string, source: string | undefined): Job | { refusal: string }
  /** Of one that is kept elsewhere. */
  auditEnd(
    job: Pick<Job, 'id' | 'source' | 'target'>,
    outcome: 'success' | 'failure',
    extra: JsonObject,
  ): void
  /** Null for one that is queued, or whose time of waiting is over, and which goes on at the peer. Never rejects. */
  run(job: Job, mode: RunMode, signal?: AbortSignal): Promise<Outcome | null>
  /** One look at the platform, for a delegation that it has; one that fails changes nothing. */
  refresh(record: MoleculeRecord): Promise<void>
  cancel(id: string): boolean
  /** Stops what runs. */
  close(): Promise<void>
}

const previewCharacters = 200
const failureDetailCharacters = 120

export function createDelegations(options: DelegationsOptions): Delegations {
  const { context, sources, permissions, records, mirrors } = options
  const running = new Map<string, { readonly scope: AbortController; readonly done: Promise<unknown> }>()
  /** Those that the platform has a record of, by us or by itself. */
  const mirrored = new Set<string>()

  function audit(
    job: Pick<Job, 'id' | 'source' | 'target'>,
    outcome: string,
    extra: JsonObject = {},
    rest: Partial<AuditEvent> = {},
  ): void {
    options.audit?.record({
      event_type: 'delegation',
      action: 'delegate',
      workspace_id: job.source,
      resource: job.target,
      outcome,
      trace_id: job.id,
      extra,
      ...rest,
    })
  }

  function refusalOf(job: Job, isOwnSource: boolean): string | null {
    if (!isOwnSource) return `source workspace ${job.source} is none of our own`
    if (job.target.trim() === '' || job.task.trim() === '') return 'workspace_id and task are required'
    const denial = permissions.refusal('delegate')
    if (denial !== null) {
      const extra = { attempted_action: 'delegate', roles: permissions.roles }
      audit(job, 'denied', extra, { event_type: 'rbac', action: 'rbac.deny' })
      return denial
    }
    if (job.target !== job.source) return null
    audit(job, 'rejected_self_delegation')
    return `self-delegation: ${job.target} is your own workspace, which waits while it sends. Do the work yourself.`
  }

  function permitted(target: string, task: string, route: Route, given: string | undefined) {
    const source = sources.sourceFor(target, given)
    const job: Job = { id: randomUUID(), source: source ?? given ?? '', target, task, route }
    const refusal = refusalOf(job, source !== null)
    if (refusal !== null) return { refusal }
    audit(job, 'dispatched', { task_preview: redact(firstCharacters(task, previewCharacters)) })
    return job
  }

  function mirrorRecord(job: Job): void {
    if (mirrored.has(job.id) || job.route === 'platform') return
    mirrored.add(job.id)
    mirrors.record(job.source, job.target, job.task, job.id)
  }

  async function ran(job: Job, mode: RunMode, signal: AbortSignal): Promise<Outcome | null> {
    const { id, source, target, task } = job
    records.apply(id, { type: 'started' })
    const summary = `Delegating to ${sources.nameOf(target)}`
    if (mode === 'background') mirrorRecord(job)
    else mirrors.activity({ type: 'a2a_send', source, target, summary, status: 'ok', task })
    const tells = { named: (name: string) => sources.named(target, name) }
    const sent = await sendJob(job, context, tells, signal)
    if (sent.kind !== 'taken') return settle(job, sent)
    return taken(job, sent, mode, signal)
  }

  async function taken(job: Job, sent: Taken, mode: RunMode, signal: AbortSignal): Promise<Outcome | null> {
    const { remote, isQueued, attempts } = sent
    records.apply(job.id, { ...sent, type: 'taken' })
    if (isQueued) {
      audit(job, 'queued', { attempt: attempts })
      mirrorRecord(job)
      tell(job, 'queued', {})
    }
    if (remote.kind === 'listed' && mode === 'background') return null
    const timeoutMs = context.settings.timeoutMs
    const outcome = await followJob(remote, job, context, {
      signal,
      ...(mode === 'waiting' && { timeoutMs }),
    })
    // Whoever waited has waited long enough; what the platform has goes on, and a later look may find its end.
    if (remote.kind === 'listed' && outcome.kind === 'failed' && outcome.reason === 'timeout') return outcome
    return settle(job, outcome)
  }

  function tell(job: Job, status: MoleculeRecord['status'], ends: { error?: string; result?: string }): void {
    if (!mirrored.has(job.id)) return
    mirrors.notify(job.source, job.target, job.id, status)
    mirrors.update(job.source, job.id, status, ends)
  }

  /** The first end counts, and is told once. */
  function settle(job: Job, outcome: Outcome, via: JsonObject = {}): Outcome {
    if (!records.apply(job.id, { type: 'ended', outcome })) return outcome
    if (outcome.kind === 'completed') {
      audit(job, 'success', { attempt: outcome.attempts, ...via })
      tell(job, 'completed', { result: outcome.text })
    } else {
      const { error, reason, attempts } = outcome
      audit(job, 'failure', { reason, last_error: redact(error), attempt: attempts, ...via })
      tell(job, 'failed', { error })
    }
    mirrored.delete(job.id)
    const record = records.get(job.id)
    if (record !== null) options.onEnded(record)
    return outcome
  }

  function reportEnd({ source, target, task }: Job, outcome: Outcome): void {
    const name = sources.nameOf(target)
    const common = { type: 'a2a_receive', source, target, task } as const
    if (outcome.kind === 'completed') {
      const summary = `${name} responded (${outcome.text.length} chars)`
      mirrors.activity({ ...common, summary, status: 'ok', response: outcome.text })
      return
    }
    const { error } = outcome
    const summary = `${name} failed: ${firstCharacters(error, failureDetailCharacters)}`
    mirrors.activity({ ...common, summary, status: 'error', response: error, errorDetail: error })
  }

  function jobOf(record: MoleculeRecord): Job {
    const { task_id: id, source_workspace_id: source, workspace_id: target, task_description: task } = record
    return { id, source, target, task, route: 'direct' }
  }

  return {
    accept(target, task, route, given) {
      const job = permitted(target, task, route, given)
      if ('refusal' in job) return job
      records.add({ task_id: job.id, workspace_id: target, source_workspace_id: job.source, task })
      return job
    },
    auditEnd: audit,
    permit: (target, task, given) => permitted(target, task, 'platform', given),
    run(job, mode, signal) {
      const scope = new AbortController()
      const abort = (): void => scope.abort()
      signal?.addEventListener('abort', abort, { signal: scope.signal })
      if (signal?.aborted === true) scope.abort()
      const done = ran(job, mode, scope.signal)
        // A bug of ours ends it, too: nothing stays in progress for ever.
        .catch((error: unknown) =>
          settle(job, ended(failed('crashed', `internal error: ${String(error)}`), 1)),
        )
        .finally(() => {
          running.delete(job.id)
          signal?.removeEventListener('abort', abort)
        })
      running.set(job.id, { scope, done })
      if (mode === 'background') return done
      return done.then((outcome) => {
        if (outcome !== null) reportEnd(job, outcome)
        return outcome
      })
    },
    async refresh(record) {
      const { remote, workspace_id: target, source_workspace_id: source } = record
      if (hasEnded(record) || remote?.kind !== 'listed' || running.has(record.task_id)) return
      const standing = await context.platform.standing({ ...remote, source, target })
      if (standing.kind !== 'live') settle(jobOf(record), settledBy(standing), { via: 'refresh' })
    },
    cancel(id) {
      const record = records.get(id)
      if (record === null || hasEnded(record)) return false
      const job = running.get(id)
      job?.scope.abort()
      if (job === undefined) {
        const error = 'it was stopped; the platform is told, and a peer that has it may still do it'
        // One that the platform runs has no mirror of ours, and is ended by an update all the same.
        if (record.remote?.kind === 'listed' && !mirrored.has(id))
          mirrors.update(record.source_workspace_id, record.remote.delegationId, 'failed', { error })
        settle(jobOf(record), ended(failed('canceled', error), record.attempts))
      }
      return true
    },
    async close() {
      const jobs = [...running.values()]
      for (const { scope } of jobs) scope.abort()
      await Promise.all(jobs.map(({ done }) => done))
    },
  }
}
