/** What a running child may want of its host, by kind. */
import type { ChildRequest } from '../pool/executor.js'
import type { Asking } from './asking.js'
import type { Leases } from './leases.js'
import { createNestedCalls, type NestedCallsOptions } from './nested-calls.js'
import type { ParentLink } from './unit-plan.js'

/** Answers a child, always. */
export type HearChild = (from: ParentLink, request: ChildRequest) => void

export function createChildRequests(
  given: NestedCallsOptions & { readonly asking: Asking; readonly leases: Leases },
): HearChild {
  const nestedCalls = createNestedCalls(given)
  return (from, request) => {
    if (request.kind === 'ask') given.asking.ask(from.unit, from.child, request)
    else if (request.kind === 'lease') given.leases.hear(from.child, request)
    else nestedCalls.hear(from, request)
  }
}
