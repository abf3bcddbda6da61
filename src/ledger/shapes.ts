/** What passes through the ledger port: plain data, so that any store can keep it. */
import type { Instant } from '../core/clock.js'
import type { DeliveryState } from '../core/delivery-states.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { TraceContext } from '../core/trace-context.js'
import type { Json, JsonObject } from '../core/json.js'
import type { InterruptAnswer, InterruptRequest } from './interrupt-lists.js'

/** One delegator in one process. */
export interface Owner {
  readonly id: string
  readonly pid: number
  /** When the process started, so that a reused pid is not taken for its predecessor. */
  readonly startedAt: number
  readonly bootId: string
  readonly pidNamespace: string
  readonly seenAt: Instant
}

/** The right to write one live unit. `fence` rises with every take-over; a write under an old fence changes nothing. */
export interface Hold {
  readonly id: string
  readonly fence: number
}

/** A counter charged at admission, e.g. `units`; `limit` is that of *this* call (R14). A counter has one kind of charge. */
export interface Charge {
  readonly counter: string
  readonly amount: number
  readonly limit: number
  /**
   * `release`: of the slot, given back with it; who joins a held slot pays none. `keep`: spent for good. `actual`: reserved
   * for all units of the slot; each draws from it what it spent when it settles, and the last one gives back the rest. A
   * withdrawal gives back whatever was charged.
   * @defaultValue 'release'
   */
  readonly atSettle?: 'release' | 'keep' | 'actual'
}

/** What of a `keep` or `actual` counter was spent for good, before and after one step. */
export interface Spent {
  readonly counter: string
  readonly before: number
  readonly after: number
}

/** What is known of a unit before it runs. `runner: null` (a plain function) can be neither retried nor adopted. */
export interface UnitDraft {
  readonly id: string
  /** Units of one slot key share one charge (P2). By default the unit's own id. */
  readonly slotKey: string
  /** Of a unit that a child of another one started: that unit. Who charges, and reserves, for all of them is `slotKey`. */
  readonly parentId: string | null
  /** Which child of the parent started it. */
  readonly parentTaskIndex?: number
  readonly route: {
    readonly sessionKey: string
    readonly parentSessionId: string | null
    readonly originUiSessionId: string
    readonly originSessionId: string
  }
  readonly goal: string
  /** `null` for a single unit. */
  readonly goals: readonly string[] | null
  readonly context: string | null
  readonly toolsets: readonly string[] | null
  readonly role: string
  readonly model: string | null
  readonly runner: Json
  readonly childCount: number
  /** What is done when its owner dies; `retry` and `adopt` by delegators that adopt. */
  readonly onOwnerDeath: OnOwnerDeath
  /** All that another process needs in order to run it; null unless it may be run again. */
  readonly work: Json
  /** Where its children's transcripts are, by index; null where none are kept. */
  readonly transcripts: readonly (string | null)[] | null
  /**
   * `collect`: only who asks for it by id gets its event, and then it leaves the outbox. `none`: its event never enters
   * it; who started the unit was waiting for it, and dies with it.
   */
  readonly delivery: 'claim' | 'collect' | 'none'
  readonly metadata: JsonObject | null
  readonly traceContext?: TraceContext
  /** What it goes on from. */
  readonly continues?: { readonly delegation_id: string; readonly task_index: number }
  /** Of one of the units into which a call was split; absent for a call that is one unit. */
  readonly part?: CallPart
}

/** Which of a call's tasks are a unit's own (spec 2.10). Its `goals`, and the indexes of its children, are the whole call's. */
export interface CallPart {
  readonly callId: string
  /** How many units the call has: `<callId>-1` and so on; a single one has the call's own id. */
  readonly unitCount: number
  readonly group: string | null
  readonly taskIndexes: readonly number[]
}

/** `unknown`: it is never run again by itself. `retry`: unfinished children run anew. `adopt`: from their checkpoints. */
export type OnOwnerDeath = 'unknown' | 'retry' | 'adopt'

/** One child, as last recorded. Its first result stays (P5). `question`: what it waits with; a patch takes it away with null. */
export interface ChildRecord {
  readonly state: string
  readonly result: JsonObject | null
  readonly checkpoint: Json
  readonly question?: JsonObject
}

/** A unit as anyone may read it; `late` is what came after the end of the unit, or of a child of it (P4). */
export interface UnitRecord extends UnitDraft {
  readonly owner: string
  readonly fence: number
  readonly state: string
  readonly cause: string | null
  readonly slotHeld: boolean
  readonly admittedAt: Instant
  readonly endedAt: Instant | null
  readonly children: readonly ChildRecord[]
  /** Asked for from elsewhere, and not answered yet; the oldest first. */
  readonly interrupts: readonly InterruptRequest[]
  /** How those that were answered went; the oldest first. */
  readonly interruptReports: readonly InterruptAnswer[]
  readonly late: readonly UnitPatch[]
}

/** A live unit of a dead owner, with the new owner's right to write it. */
export interface TakenUnit {
  readonly hold: Hold
  readonly unit: UnitRecord
}

/** Who occupies a slot. */
export type SlotHolderRecord = Pick<UnitRecord, 'id' | 'goal' | 'owner' | 'admittedAt' | 'parentId'>

/** An idempotency key: the same key for the same work is one unit, for as long as it is kept. */
export interface Key {
  readonly key: string
  readonly fingerprint: string
  readonly keepSeconds: number
}

/**
 * Nothing is inserted, charged or started unless `admitted`. `existing`: the same idempotency key and the same work,
 * live, ended or pruned. `key_reused`: the same key for other work.
 */
export type Admission =
  | { readonly status: 'admitted'; readonly hold: Hold; readonly spent?: readonly Spent[] }
  | { readonly status: 'existing'; readonly id: string }
  | { readonly status: 'key_reused'; readonly id: string }
  | {
      readonly status: 'refused'
      readonly counter: string
      readonly limit: number
      readonly inUse: number
      readonly holders: readonly SlotHolderRecord[]
      /** Of a `keep` or `actual` charge: what of `inUse` nobody gives back any more. */
      readonly spent?: number
    }

/** What became known while the unit lives. */
export interface UnitPatch {
  readonly phase?: 'running' | 'stalling' | 'interrupting'
  readonly child?: {
    readonly index: number
    readonly state: string
    readonly result?: JsonObject
    readonly checkpoint?: Json
    readonly question?: JsonObject | null
  }
  readonly interruptReport?: InterruptAnswer
}

/**
 * The end. `slot: 'kept'` leaves the slot charged until `freeSlot` (P6). `claimedBy`: born claimed, so that no drain takes it.
 * `actual`: what this unit spent of what was reserved; a reservation that it does not name is spent whole, for nobody
 * knows better, and one that was never made is passed over.
 */
export interface Settlement {
  readonly state: string
  readonly cause: string
  readonly event: AsyncDelegationEvent
  readonly slot: 'freed' | 'kept'
  readonly actual?: readonly Pick<Charge, 'counter' | 'amount'>[]
  /** Of each child that reported any. */
  readonly usage?: readonly ChildUsage[]
  readonly claimedBy?: { readonly consumer: string; readonly leaseSeconds: number }
}

/** What one child used. Money in millionths of a dollar, so that sums are exact. */
export interface ChildUsage {
  readonly model: string | null
  readonly runner: string | null
  readonly apiCalls: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costMicros: number
}

/** By what usage is added up. `tree`: a call with all of its groups and nested units, named by its slot key. */
export type UsageKey = 'session' | 'model' | 'runner' | 'tree'

/** What units that ended since then have used (`null`: ever), the dearest keys first. */
export interface UsageQuery {
  readonly by: UsageKey
  readonly since: Instant | null
  readonly limit: number
}

export interface UsageSum extends Omit<ChildUsage, 'model' | 'runner'> {
  /** Null: no model, or no runner, was named. */
  readonly key: string | null
  /** Children that reported any. */
  readonly children: number
}

/** What a settle came to. `claim` is there when the event was born claimed; `fault` when the end had to be kept elsewhere. */
export type Settled =
  | {
      readonly won: true
      readonly event: AsyncDelegationEvent
      readonly claim: Claim | null
      /** Of the counters that the end moved. */
      readonly spent?: readonly Spent[]
      readonly fault?: Error
    }
  | { readonly won: false; readonly state: string }

export type { InterruptAnswer, InterruptRequest }

/** A session, whose empty key matches only with `dispatchedBy`; with `parentSessionId` only what has this one, or none. */
export interface SessionScope {
  readonly sessionKey: string
  readonly dispatchedBy?: string
  readonly parentSessionId?: string | null
}

/**
 * Whose. Plain data, so that an index or a subject can serve it. `ids` are those of units, with all their events, or of
 * single events; `eventIds` are those of single events alone, and take what is there to be collected only with `pull`.
 * `parentId` is that of a unit whose children started others; those have no events.
 */
export type Select =
  | { readonly ids: readonly string[] }
  | { readonly eventIds: readonly string[]; readonly pull?: true }
  | SessionScope
  | { readonly parentSessionId: string }
  | { readonly parentId: string }
  | { readonly originUiSessionId: string }
  | { readonly dispatchedBy: string }
  | { readonly all: true }

export type { DeliveryState }

/** One deliverable event. `event.event_id` is the de-duplication key. */
export interface Delivery {
  readonly seq: number
  readonly eventId: string
  readonly delegationId: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly availableAt: Instant
  /** When it was added, or last reopened by the operator. */
  readonly bornAt: Instant
  readonly reason: string | null
  /** Only who names it gets it. */
  readonly pulled: boolean
  readonly event: AsyncDelegationEvent
}

/** What one owner's units have open for one session, without the events. */
export interface Waiting {
  readonly sessionKey: string
  readonly parentSessionId: string | null
  readonly dispatchedBy: string
  /** When the first of it can be claimed. */
  readonly dueAt: Instant
  /** The newest of it. */
  readonly lastSeq: number
}

/** The right to resolve one delivery until `until`; lost to a take-over or the lease's end. */
export interface Claim {
  readonly token: string
  readonly eventId: string
  readonly until: Instant
  readonly delivery: Delivery
}

/**
 * ack: the turn was accepted. renew: it still starts. release: it failed (costs an attempt, backs off). defer: host
 * busy (costs none). drop: the target is gone for good.
 */
export type Verdict =
  | { readonly kind: 'ack' }
  | { readonly kind: 'renew'; readonly leaseSeconds: number }
  | { readonly kind: 'release'; readonly error: string }
  | { readonly kind: 'defer'; readonly forSeconds: number }
  | { readonly kind: 'drop'; readonly reason: string }

/** `afterSeq`: deliveries later than that; for units, ignored. */
export interface Page {
  readonly afterSeq?: number
  readonly limit: number
}

/** How full a counter is, and by whom. */
export interface CounterUse {
  readonly counter: string
  readonly inUse: number
  readonly holders: readonly SlotHolderRecord[]
}
