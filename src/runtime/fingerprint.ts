import { createHash } from 'node:crypto'
import { isJsonObject } from '../core/json.js'
import type { UnitRequest } from './request.js'

/** Tells two calls under one idempotency key apart. */
export function fingerprintOf(request: UnitRequest): string {
  const { form, goals, groups, children, toolsets, sessionKey, metadata, childTimeoutSeconds } = request
  const work = children.map((child) => {
    const runner = typeof child.runner === 'function' ? `function ${String(child.runner)}` : child.runner
    return { ...child, runner }
  })
  const parts = groups?.map(({ group, taskIndexes }) => ({ group, taskIndexes })) ?? null
  const call = [form, goals, work, toolsets, sessionKey, metadata, childTimeoutSeconds, parts]
  return createHash('sha256').update(JSON.stringify(call, inKeyOrder)).digest('hex')
}

/** For `JSON.stringify`: the order in which an object was written is no part of it. */
function inKeyOrder(_key: string, value: unknown): unknown {
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
