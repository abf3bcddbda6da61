/** How much there may be, and how much there is. */
import type { CapacityScope, SlotHolder } from '../core/refusal.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Admission } from './admission.js'
import type { ResolvedOptions } from './options.js'
import type { Records } from './records.js'
import { currentSession } from './session-context.js'

/** How full the delegator is, in its scope. Snake-case holders: they are shown to callers elsewhere, too. */
export interface Capacity {
  readonly limit: number
  readonly inUse: number
  readonly free: number
  readonly scope: CapacityScope
  readonly holders: readonly SlotHolder[]
}

export interface CapacityOptions {
  /** Whose cap, where each session has one. @defaultValue the current one */
  readonly sessionKey?: string
}

/** What it was given, for whoever has to tell others of it. */
export type DelegatorLimits = Pick<
  ResolvedOptions,
  'maxUnits' | 'maxConcurrentChildren' | 'maxDepth' | 'orchestratorEnabled'
>

export function limitsOf(options: DelegatorLimits): DelegatorLimits {
  const { maxUnits, maxConcurrentChildren, maxDepth, orchestratorEnabled } = options
  return { maxUnits, maxConcurrentChildren, maxDepth, orchestratorEnabled }
}

interface CapacityDependencies {
  readonly options: ResolvedOptions
  readonly ledger: Ledger
  readonly records: Records
  readonly counterFor: Admission['counterFor']
}

export function createCapacity({ options, ledger, records, counterFor }: CapacityDependencies) {
  return async ({ sessionKey = currentSession() }: CapacityOptions = {}): Promise<Capacity> => {
    const limit = options.maxUnits
    const [use] = await ledger.usage([counterFor(sessionKey)])
    const inUse = use?.inUse ?? 0
    const holders = (use?.holders ?? []).map((unit) => records.holderOf(unit))
    return { limit, inUse, free: Math.max(0, limit - inUse), scope: options.capacityScope, holders }
  }
}
