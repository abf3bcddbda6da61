/** The runner, in its thread. */
import {
  defineRunner,
  type JsonObject,
  type RunnerContext,
  type RunnerResult,
  type RunnerTask,
} from '../runner.js'
import { connect } from './connect.js'
import { followJob } from './follow-job.js'
import type { MoleculeRunnerOptions } from './molecule-runner.js'
import { failed } from './peer-reply.js'
import { ended, sendJob, type Job, type JobContext, type Outcome, type Remote } from './send-job.js'

/** `remote` is null between the sending and the answer to it: then nobody knows. */
interface Checkpoint {
  readonly remote: Remote | null
}

const recordMs = 10_000

export const runMolecule = defineRunner<MoleculeRunnerOptions>(async (task, ctx) => {
  const { target, source, route = 'platform' } = ctx.options
  const context = connect(ctx.options)
  if ('problems' in context) return { status: 'error', error: context.problems.join('; ') }
  const job: Job = {
    // The same for every run of this child: whoever takes messages can tell that it has this one.
    id: `${task.delegationId}-${task.taskIndex}`,
    source: source ?? context.settings.workspaces[0]?.id ?? '',
    target,
    task: task.context === null ? task.goal : `${task.goal}\n\n${task.context}`,
    route,
  }
  return resultOf(await performed(job, context, ctx, checkpointOf(task, ctx)))
})

/** A child that goes on from an ended one is a task of its own. */
function checkpointOf(task: RunnerTask, { resumeFrom }: RunnerContext): Checkpoint | null {
  if (task.continued !== undefined || typeof resumeFrom !== 'object' || resumeFrom === null) return null
  return resumeFrom as unknown as Checkpoint
}

async function performed(
  job: Job,
  context: JobContext,
  ctx: RunnerContext<MoleculeRunnerOptions>,
  known: Checkpoint | null,
): Promise<Outcome> {
  const { signal } = ctx
  const keep = (remote: Remote | null): void =>
    ctx.checkpoint({ remote: remote as unknown as JsonObject | null })
  const follow = (remote: Remote): Promise<Outcome> =>
    followJob(remote, job, context, { signal, ask: (question) => ctx.ask(question), onRemote: keep })
  if (known?.remote) return follow(known.remote)
  // The platform knows a key that it has had, so that asking it again starts nothing twice; a peer need not.
  if (known !== null && job.route !== 'platform') {
    const error = 'its host died while it was sent: the peer may have got it, and it was not sent again'
    return ended(failed('no_answer', error), 1)
  }
  const sent = await sendJob(job, context, { sending: () => keep(null) }, signal)
  if (sent.kind !== 'taken') return sent
  const { remote, isQueued } = sent
  keep(remote)
  if (isQueued) {
    ctx.log(`queued at ${job.target}: it is busy with an earlier task`)
    // So that the platform has a row in which the queued answer can be found.
    const path = `/workspaces/${encodeURIComponent(job.source)}/delegations/record`
    const body = { target_id: job.target, task: job.task, delegation_id: job.id }
    await context.platform.post(job.source, path, body, recordMs, signal)
  }
  return follow(remote)
}

function resultOf(outcome: Outcome): RunnerResult {
  if (outcome.kind === 'completed')
    return {
      status: 'completed',
      summary: outcome.text,
      ...(outcome.isPreview && { summary_is_preview: true }),
    }
  return { status: outcome.reason === 'canceled' ? 'interrupted' : 'failed', error: outcome.error }
}
