/** What passes through the ledger port: plain data, so that any store can keep it. */
import type { Instant } from '../core/clock.js'
import type { DeliveryState } from '../core/delivery-states.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Json, JsonObject } from '../core/json.js'

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

/** A counter charged at admission, e.g. `units`; `limit` is that of *this* call (R14). Given back when the slot is. */
export interface Charge {
  readonly counter: string
  readonly amount: number
  readonly limit: number
}

/** What is known of a unit before it runs. `runner: null` (a plain function) can be neither retried nor adopted. */
export interface UnitDraft {
  readonly id: string
  /** Units of one slot key share one charge (P2). By default the unit's own id. */
  readonly slotKey: string
  readonly parentId: string | null
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
  /** `collect`: only who asks for it by id gets its event, and then it leaves the outbox. */
  readonly delivery: 'claim' | 'collect'
  readonly metadata: JsonObject | null
  /** The ended child that it goes on from. */
  readonly continues?: { readonly delegation_id: string; readonly task_index: number }
}

/** `unknown`: it is never run again by itself. `retry`: unfinished children run anew. `adopt`: from their checkpoints. */
export type OnOwnerDeath = 'unknown' | 'retry' | 'adopt'

/** One child, as last recorded. Its first result stays (P5). */
export interface ChildRecord {
  readonly state: string
  readonly result: JsonObject | null
  readonly checkpoint: Json
  /** What it asks, and waits with; absent otherwise. */
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
  readonly interrupt: InterruptRequest | null
  /** How the last interrupt that was asked for from elsewhere went. */
  readonly interruptReport: InterruptAnswer | null
  readonly late: readonly UnitPatch[]
}

/** A live unit of a dead owner, with the new owner's right to write it. */
export interface TakenUnit {
  readonly hold: Hold
  readonly unit: UnitRecord
}

/** Who occupies a slot. */
export type SlotHolderRecord = Pick<UnitRecord, 'id' | 'goal' | 'owner' | 'admittedAt'>

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
  | { readonly status: 'admitted'; readonly hold: Hold }
  | { readonly status: 'existing'; readonly id: string }
  | { readonly status: 'key_reused'; readonly id: string }
  | {
      readonly status: 'refused'
      readonly counter: string
      readonly limit: number
      readonly inUse: number
      readonly holders: readonly SlotHolderRecord[]
    }

/** What became known while the unit lives. */
export interface UnitPatch {
  readonly phase?: 'running' | 'stalling' | 'interrupting'
  readonly child?: {
    readonly index: number
    readonly state: string
    readonly result?: JsonObject
    readonly checkpoint?: Json
    /** What it asks; null once it waits no longer. */
    readonly question?: JsonObject | null
  }
  readonly interruptReport?: InterruptAnswer
}

/** The end. `slot: 'kept'` leaves the slot charged until `freeSlot` (P6). `claimedBy`: born claimed, so that no drain takes it. */
export interface Settlement {
  readonly state: string
  readonly cause: string
  readonly event: AsyncDelegationEvent
  readonly slot: 'freed' | 'kept'
  readonly claimedBy?: { readonly consumer: string; readonly leaseSeconds: number }
}

/** What a settle came to. `claim` is there when the event was born claimed; `fault` when the end had to be kept elsewhere. */
export type Settled =
  | {
      readonly won: true
      readonly event: AsyncDelegationEvent
      readonly claim: Claim | null
      readonly fault?: Error
    }
  | { readonly won: false; readonly state: string }

/** How a stop went (P6): `signalled` is the sum of the other three. */
export interface InterruptAnswer {
  readonly requestId: string
  readonly signalled: number
  readonly stopped: number
  readonly escalated: number
  readonly unreachable: number
}

export interface InterruptRequest {
  readonly requestId: string
  readonly unitId: string
  readonly reason: string
  readonly graceMs: number
  readonly at: Instant
}

/** What one process says to the owner of a live unit. */
export interface Letter {
  readonly id: string
  readonly unitId: string
  readonly kind: string
  readonly payload: Json
  readonly sentAt: Instant
}

/**
 * Whose. Plain data, so that an index or a subject can serve it. An empty key matches only with `dispatchedBy`. `ids` are
 * those of units, with all their events, or of single events; `eventIds` are those of single events alone, and pull nothing.
 */
export type Select =
  | { readonly ids: readonly string[] }
  | { readonly eventIds: readonly string[] }
  | { readonly sessionKey: string; readonly dispatchedBy?: string }
  | { readonly parentSessionId: string }
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
