import { amountText, type BudgetCounter } from './budget.js'
import { microsOfUsd } from './usage.js'
import type { Json } from './json.js'

/** A unit that holds a slot right now, as a refused caller may see it. */
export interface SlotHolder {
  readonly delegation_id: string
  readonly goal: string
  readonly running_seconds: number
  /** Of a unit that shares the slot of the one whose child started it: that one. */
  readonly parent_id?: string
}

/** Which limit was met. */
type RefusalCode = 'CAPACITY' | 'THREADS' | 'BUDGET' | 'KEY_REUSED'

/** Over what a cap counts: one delegator, one session, or all that share the ledger. */
export type CapacityScope = 'process' | 'session' | 'ledger'

/** Why a dispatch was not admitted, as data: enough for a caller to decide what to do next. */
export interface Refusal {
  readonly code: RefusalCode
  readonly limit: number
  readonly inUse: number
  /** `unit`: the budget of the unit below which a nested one was to run. */
  readonly scope: CapacityScope | 'unit'
  readonly holders: readonly SlotHolder[]
  /** Of a budget: what it counts, as `limit`, `inUse` and the next two do. */
  readonly counter?: BudgetCounter
  /** What the call was to reserve. */
  readonly wanted?: number
  /** What of `inUse` is used up for good; the rest is reserved by what still runs. */
  readonly spent?: number
  /** The configuration key that raises the limit, or `null` where no setting would have helped. */
  readonly config_key: string | null
  readonly retry_hint: string
}

/** What a refused dispatch returns. Nothing was recorded, started or told (R15). */
export interface Rejected {
  readonly status: 'rejected'
  readonly error: string
  /** Absent when the work could not be handed over at all (R18): then nothing was full. */
  readonly refusal?: Refusal
}

const capacityKey = 'delegation.max_async_children'

/** R16 (single) and R34 (batch), word for word. */
export function capacityText(limit: number, kind: 'single' | 'batch'): string {
  const full = `Async delegation capacity reached (${limit} running). Wait for one to finish (its result will re-enter the chat), or`
  return kind === 'single'
    ? `${full} run this task synchronously (background=false). Raise ${capacityKey} in config.yaml to allow more concurrent background subagents.`
    : `${full} raise ${capacityKey} in config.yaml to allow more concurrent background units.`
}

/** R18: the work could not be handed to its executor; nothing of it is left. */
export function scheduleFailure(message: string, kind: 'single' | 'batch'): Rejected {
  return {
    status: 'rejected',
    error: `Failed to schedule async delegation${kind === 'batch' ? ' batch' : ''}: ${message}`,
  }
}

export interface RefusalFacts {
  readonly limit: number
  readonly inUse: number
  readonly scope: CapacityScope
  readonly holders: readonly SlotHolder[]
  readonly kind: 'single' | 'batch'
}

/** All slots are taken (P1, R14). */
export function capacityRefusal(facts: RefusalFacts): Rejected {
  const { limit, inUse, scope, holders, kind } = facts
  const retry_hint =
    limit === 0
      ? `The cap is 0: background delegation is switched off. Raise ${capacityKey}.`
      : `Wait for one of the holders to end, pass admitWithinMs to wait for a slot, or raise ${capacityKey}.`
  return {
    status: 'rejected',
    error: capacityText(limit, kind),
    refusal: { code: 'CAPACITY', limit, inUse, scope, holders, config_key: capacityKey, retry_hint },
  }
}

interface ThreadFacts extends RefusalFacts {
  readonly wanted: number
  /** What the limit can be raised to. */
  readonly highestLimit: number
}

/** The unit wants more worker threads than are left, or than there will ever be (DESIGN 4). */
export function threadsRefusal(facts: ThreadFacts): Rejected {
  const { limit, inUse, scope, holders, wanted } = facts
  const { error, retry_hint } = wanted > limit ? neverEnoughThreads(facts) : tooFewThreads(facts)
  const config_key = wanted > facts.highestLimit ? 'delegation.max_concurrent_children' : threadsKey
  return {
    status: 'rejected',
    error,
    refusal: { code: 'THREADS', limit, inUse, scope, holders, config_key, retry_hint },
  }
}

const threadsKey = 'delegation.max_threads'
const sharing = 'declare placement: shared where a child only waits for I/O.'

function tooFewThreads({ limit, inUse, wanted }: ThreadFacts) {
  const free = Math.max(0, limit - inUse)
  return {
    error: `The delegation needs ${wanted} worker threads and ${free} of ${limit} are free. Wait for a running delegation to end, lower max_concurrent_children, or raise ${threadsKey}.`,
    retry_hint: `Wait for one of the holders to end, or ${sharing}`,
  }
}

function neverEnoughThreads({ limit, wanted, highestLimit }: ThreadFacts) {
  const remedy = `Lower max_concurrent_children to ${limit}${wanted > highestLimit ? '' : `, raise ${threadsKey} to ${wanted}`}`
  return {
    error: `The delegation needs ${wanted} worker threads at once and there are never more than ${limit}. ${remedy}, or ${sharing}`,
    retry_hint: `Waiting does not help. ${remedy}, or ${sharing}`,
  }
}

interface BudgetFacts extends Omit<RefusalFacts, 'scope'> {
  readonly scope: Refusal['scope']
  readonly counter: BudgetCounter
  readonly wanted: number
  readonly spent: number
  readonly configKey: string | null
}

const owners = {
  session: 'in this session',
  ledger: 'in all',
  process: 'in all',
  unit: 'for the unit that it would belong to',
} as const

/** What the call would reserve does not fit beside what is spent and reserved. */
export function budgetRefusal(facts: BudgetFacts): Rejected {
  const { counter, limit, inUse, spent, wanted, scope, holders, kind, configKey: config_key } = facts
  const left = amountText(counter, Math.max(0, limit - inUse))
  const verb = counter === 'spawns' ? 'starts' : 'reserves'
  const raise = config_key === null ? '' : ` or raise ${config_key}`
  const less = counter === 'spawns' ? 'Start fewer children' : 'Give it a smaller budget'
  return {
    status: 'rejected',
    error:
      `The delegation${kind === 'batch' ? ' batch' : ''} ${verb} ${amountText(counter, wanted)}, and ${left} of ` +
      `${amountText(counter, limit)} are left ${owners[scope]}. ${less},${raise || ' or do without it'}.`,
    refusal: {
      code: 'BUDGET',
      counter,
      limit,
      inUse,
      spent,
      wanted,
      scope,
      holders,
      config_key,
      retry_hint: isOver(facts)
        ? `Waiting does not help: ${amountText(counter, spent)} are used up for good. ${less}${raise}.`
        : `Wait for one of the holders to end, which gives back what it did not use. ${less}${raise}.`,
    },
  }
}

/** In whole millionths, as it is counted: 0.1 and 0.2 fit 0.3. */
function isOver({ limit, wanted, spent }: Pick<BudgetFacts, 'limit' | 'wanted' | 'spent'>): boolean {
  return microsOfUsd(spent) + microsOfUsd(wanted) > microsOfUsd(limit)
}

/** True where the same call will be refused however long its caller waits. */
export function isFinal({ code, limit, wanted = 0, spent = 0 }: Refusal): boolean {
  return code === 'KEY_REUSED' || (code === 'BUDGET' && isOver({ limit, wanted, spent }))
}

/** The idempotency key names another dispatch than this one. */
export function keyReusedRefusal(key: string, holder: SlotHolder, scope: CapacityScope): Rejected {
  return {
    status: 'rejected',
    error: `The idempotency key ${JSON.stringify(key)} was used by ${holder.delegation_id} with other arguments.`,
    refusal: {
      code: 'KEY_REUSED',
      limit: 1,
      inUse: 1,
      scope,
      holders: [holder],
      config_key: null,
      retry_hint: 'Use a new key for new work; repeat a call unchanged to get the handle of the first.',
    },
  }
}

/** A refusal is plain data wherever it goes. */
export function refusalAsJson(refusal: Refusal): Json {
  return { ...refusal, holders: refusal.holders.map((holder) => ({ ...holder })) }
}
