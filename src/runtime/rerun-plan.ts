import { unknownEntry } from '../core/owner-death.js'
import type { Hold, UnitRecord } from '../ledger/shapes.js'
import type { Executor } from '../pool/executor.js'
import type { ResolvedOptions } from './options.js'
import { askedAgain } from './gate.js'
import { mayRunAgain, planChildren } from './plan-unit.js'
import { recordedOf } from './recovery.js'
import type { UnitRequest } from './request.js'
import type { UnitPlan } from './unit-plan.js'

/**
 * What is left to do of a unit whose owner died: its unfinished children, those of them whose runner allows it. The
 * results that were recorded stay; a child that may not run again is `unknown`, and one that the gate does not let in any
 * more fails with what the gate throws. Null: nothing is left to be run.
 */
export function rerunPlan(
  hold: Hold,
  record: UnitRecord,
  options: ResolvedOptions,
  executors: { readonly inline: Executor; readonly threads: Executor },
): Omit<UnitPlan, 'line'> | null {
  if (record.work === null) return null
  const work = record.work as unknown as UnitRequest
  const { form, children, childTimeoutSeconds, summaryBudget, tells, budget, deadlineSeconds } = work
  const { toolsets, route, admittedAt } = record
  const request = {
    children,
    childTimeoutSeconds,
    summaryBudget,
    toolsets,
    sessionKey: route.sessionKey,
    parent: null,
  }
  const unfinished = planChildren(request, record, options, executors).filter(
    ({ index }) => (record.children[index]?.result ?? null) === null,
  )
  const runnable = unfinished.filter(({ job }) => mayRunAgain(job.runner))
  if (runnable.length === 0) return null
  const lost = unfinished.filter(({ job }) => !mayRunAgain(job.runner))
  const denied = askedAgain(route.sessionKey, runnable, options.gate)
  return {
    form,
    parent: null,
    tells,
    budget,
    deadlineSeconds,
    draft: record,
    hold,
    admittedAt,
    recorded: [...recordedOf(record), ...lost.map(({ index }) => unknownEntry(index))],
    children: runnable.map((plan) => ({
      ...plan,
      ...(denied !== null && { executor: executors.inline }),
      job: {
        ...plan.job,
        ...(denied !== null && { runner: denied }),
        task: { ...plan.job.task, rerun: true },
        resumeFrom: checkpointOf(record, plan.index, plan.job.runner) ?? plan.job.resumeFrom ?? null,
      },
    })),
  }
}

/** Only who adopts goes on from where it was; a retry begins anew. */
function checkpointOf({ children }: UnitRecord, index: number, runner: unknown) {
  const { onOwnerDeath } = runner as { readonly onOwnerDeath?: string }
  return onOwnerDeath === 'adopt' ? (children[index]?.checkpoint ?? null) : null
}
