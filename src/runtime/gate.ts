/** The host's own say in what is admitted. */
import type { RunnerReference } from '../runner.js'
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
 * call (R15). What it returns is told of each unit of the call that starts, and must not throw.
 */
export type Gate = (call: GatedCall) => OnUnitStarted | null

/** The request, with whom to tell of its units. @throws what the gate does */
export function throughGate(request: UnitRequest, gate: Gate | null): UnitRequest {
  if (gate === null) return request
  const { sessionKey, parent, children } = request
  const told = gate({
    sessionKey,
    parentId: parent?.unit.id ?? null,
    children: children.map(({ goal, runner }) => ({
      goal,
      runner: typeof runner === 'function' ? null : runner,
    })),
  })
  if (told === null) return request
  return {
    ...request,
    onStarted: ({ id, draft }) => told({ delegationId: id, taskIndexes: ownIndexes(draft) }),
  }
}
