/** The host's own say in what is admitted. */
import type { Runner, RunnerReference } from '../runner.js'
import type { ChildPlan } from './child.js'
import { ownIndexes } from './groups.js'
import type { UnitRequest } from './request.js'

/** A call that is valid, and not admitted yet. */
export interface GatedCall {
  readonly sessionKey: string
  /** The unit whose child asks; null for a call of the host. */
  readonly parentId: string | null
  /** In the order of the call. `runner` is null for a plain function. */
  readonly children: readonly { readonly goal: string; readonly runner: RunnerReference | null }[]
}

/** A unit of the call runs; which of the call's children are its own. */
export type OnUnitStarted = (unit: {
  readonly delegationId: string
  readonly taskIndexes: readonly number[]
}) => void

/**
 * Asked before a call is admitted, one of a child's too. What it throws is the caller's answer, and nothing is left of the
 * call (R15). What it returns is told of each unit of the call that starts, and must not throw. Asked again, and told
 * nothing more, before the unfinished children of a dead process are run again: what it throws is then how they fail.
 */
export type Gate = (call: GatedCall) => OnUnitStarted | null

const gated = (goal: string, runner: RunnerReference | Runner): GatedCall['children'][number] => ({
  goal,
  runner: typeof runner === 'function' ? null : runner,
})

/** The request, with whom to tell of its units. @throws what the gate does */
export function throughGate(request: UnitRequest, gate: Gate | null): UnitRequest {
  if (gate === null) return request
  const { sessionKey, parent, children } = request
  const told = gate({
    sessionKey,
    parentId: parent?.unit.id ?? null,
    children: children.map(({ goal, runner }) => gated(goal, runner)),
  })
  if (told === null) return request
  return {
    ...request,
    onStarted: ({ id, draft }) => told({ delegationId: id, taskIndexes: ownIndexes(draft) }),
  }
}

/** What children that are to be run again run in place of their runner, where the gate does not let them in any more. */
export function askedAgain(
  sessionKey: string,
  plans: readonly ChildPlan[],
  gate: Gate | null,
): Runner | null {
  const children = plans.map(({ job: { task, runner } }) => gated(task.goal, runner))
  try {
    gate?.({ sessionKey, parentId: null, children })
    return null
  } catch (error) {
    return () => {
      throw error
    }
  }
}
