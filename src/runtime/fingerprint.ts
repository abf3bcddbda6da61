import { createHash } from 'node:crypto'
import { isJsonObject } from '../core/json.js'
import type { Key } from '../ledger/shapes.js'
import type { UnitRequest } from './request.js'

const keepSeconds = 7 * 24 * 3600

/** What a call is known by when it comes again; undefined where it is to be known by nothing. */
export function keyOf(request: UnitRequest, key: string | undefined): Key | undefined {
  return key === undefined ? undefined : { key, fingerprint: fingerprintOf(request), keepSeconds }
}

/** Tells two calls under one idempotency key apart. */
function fingerprintOf(request: UnitRequest): string {
  const { form, goals, groups, children, toolsets, sessionKey, metadata } = request
  const { childTimeoutSeconds, deadlineSeconds, budget } = request
  const work = children.map((child) => {
    // Where it runs is no part of what was asked.
    const runner =
      typeof child.runner === 'function'
        ? `function ${String(child.runner)}`
        : { ...child.runner, together: undefined }
    // What the earlier child left may be pruned meanwhile: which one it was is what was asked.
    if (child.continued === undefined) return { ...child, runner }
    const { delegation_id, task_index } = child.continued
    return { ...child, runner, continued: [delegation_id, task_index], resumeFrom: null }
  })
  const parts = groups?.map(({ group, taskIndexes }) => ({ group, taskIndexes })) ?? null
  const limits = [childTimeoutSeconds, deadlineSeconds, budget]
  const call = [form, goals, work, toolsets, sessionKey, metadata, ...limits, parts]
  return createHash('sha256').update(JSON.stringify(call, inKeyOrder)).digest('hex')
}

/** For `JSON.stringify`: the order in which an object was written is no part of it. */
function inKeyOrder(_key: string, value: unknown): unknown {
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
