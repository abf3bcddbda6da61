/** What a running child may ask of its host, by kind. */
import { runnerError } from '../pool/error-detail.js'
import type { ChildRequest } from '../pool/executor.js'
import type { Asking } from './asking.js'
import type { Child } from './child.js'
import type { Unit } from './unit.js'

export interface ChildRequests {
  handle(unit: Unit, child: Child, request: ChildRequest): void
  /** The child has its outcome: nothing is answered any more. */
  drop(child: Child): void
}

export function createChildRequests({ asking }: { readonly asking: Asking }): ChildRequests {
  return {
    handle(unit, child, request): void {
      if (request.kind === 'ask') return asking.ask(unit, child, request)
      const why = `nothing here answers a request of kind ${request.kind}`
      request.fail(runnerError('REQUEST_UNKNOWN', why))
    },
    drop: (child) => asking.drop(child),
  }
}
