/** From a valid request to what the ledger admits and the executors run. */
import { randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import { batchLabel } from '../core/batch.js'
import type { UnitDraft } from '../ledger/ledger.js'
import type { Executor } from '../pool/executor.js'
import type { ChildPlan } from './child.js'
import type { ResolvedOptions } from './options.js'
import type { CallOptions, UnitRequest } from './request.js'

/** The unit as the ledger is asked to admit it. */
export function draftOf(request: UnitRequest, call: CallOptions, id: string): UnitDraft {
  const { goals, children, sessionKey } = request
  const [first] = children
  const runner = first === undefined || typeof first.runner === 'function' ? null : { ...first.runner }
  return {
    id,
    slotKey: id,
    parentId: null,
    route: {
      sessionKey,
      parentSessionId: call.parentSessionId ?? null,
      originUiSessionId: call.originUiSessionId ?? '',
      originSessionId: call.originSessionId ?? '',
    },
    goal: goals === null ? (first?.goal ?? '') : batchLabel(goals),
    goals,
    context: request.context,
    toolsets: request.toolsets,
    role: request.role,
    model: request.model,
    runner,
    childCount: goals?.length ?? 1,
    delivery: call.delivery ?? 'claim',
    metadata: request.metadata,
  }
}

/** Who runs each child, where, and for how long. */
export function planChildren(
  request: UnitRequest,
  { id }: UnitDraft,
  options: ResolvedOptions,
  executors: { readonly inline: Executor; readonly threads: Executor },
): readonly ChildPlan[] {
  const seconds = request.childTimeoutSeconds
  return request.children.map(({ runner, goal, context, role, model }, index) => ({
    index,
    executor: typeof runner === 'function' ? executors.inline : executors.threads,
    timeoutMs: seconds === 0 ? null : seconds * 1000,
    timeoutGraceMs: options.interruptGraceMs,
    job: {
      task: {
        goal,
        context,
        role,
        model,
        toolsets: request.toolsets,
        delegationId: id,
        taskIndex: index,
        sessionKey: request.sessionKey,
      },
      runner,
      transcriptPath: transcriptPath(options, id, index),
      spillDirectory: options.spillFolder,
    },
  }))
}

/** Where the child's transcript goes; null where none are kept. */
export function transcriptPath(
  { transcriptFolder }: ResolvedOptions,
  id: string,
  index: number,
): string | null {
  return transcriptFolder === null ? null : join(transcriptFolder, id, `task-${index}.log`)
}

const idBytes = 10
/** Randomness is drawn for many ids at once. */
const drawn = Buffer.alloc(idBytes * 400)
let drawnAt = drawn.length

/** `deleg_` and 20 hex digits (DESIGN 3): eight, as in the original (R7), collide within 100,000. */
export function newDelegationId(): string {
  if (drawnAt + idBytes > drawn.length) {
    randomFillSync(drawn)
    drawnAt = 0
  }
  drawnAt += idBytes
  return `deleg_${drawn.toString('hex', drawnAt - idBytes, drawnAt)}`
}
