/** How many worker threads a unit needs, and how many there may be for it. */
import { maxThreadsBound, type ResolvedOptions } from './options.js'
import type { UnitRequest } from './request.js'

type Limits = Pick<ResolvedOptions, 'maxUnits' | 'maxThreads' | 'maxConcurrentChildren'>

/** Threads that it may have in use at once. */
export function threadsFor({ children }: UnitRequest, { maxConcurrentChildren }: Limits): number {
  const isolated = children.filter(
    ({ runner }) => typeof runner !== 'function' && runner.placement !== 'shared',
  )
  return Math.min(isolated.length, maxConcurrentChildren)
}

/** R8: a call with a larger cap of its own grows the pool. */
export function threadLimit({ maxUnits }: UnitRequest, limits: Limits): number {
  if (maxUnits <= limits.maxUnits) return limits.maxThreads
  const grown = Math.min(maxThreadsBound, maxUnits * limits.maxConcurrentChildren)
  return Math.max(limits.maxThreads, grown)
}

export const hasTooManyThreads = (request: UnitRequest, limits: Limits): boolean =>
  threadsFor(request, limits) > threadLimit(request, limits)
