/**
 * The ledger port: where units are admitted, recorded and delivered. Three ideas carry it: **charges** (every cap is
 * a counter charged in one admission), **fenced holds** (an owner that wakes up after it was declared dead can write
 * nothing), **verdicts** on claims (ack, renew, release, defer and drop are one operation). It promises what is
 * observed, not how; test/contract/ledger.ts holds every implementation to it.
 */
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
}

/** `unknown`: it is never run again by itself. `retry`: unfinished children run anew. `adopt`: from their checkpoints. */
export type OnOwnerDeath = 'unknown' | 'retry' | 'adopt'

/** One child, as last recorded. Its first result stays (P5). */
export interface ChildRecord {
  readonly state: string
  readonly result: JsonObject | null
  readonly checkpoint: Json
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

/**
 * Each call is atomic as others see it: all of it happened, or none and it threw. It never holds the event loop
 * longer than one short step (P11). Clock, chance, retention, attempts and back-off are given to the factory.
 * A ledger of one process does the whole of a call before it returns its promise, so two calls in one tick are
 * serial.
 */
export interface Ledger {
  /** Identifies the file or the stream; `seq` compares within it. */
  readonly info: {
    readonly id: string
    readonly kind: string
    readonly shared: boolean
    readonly durability: 'none' | 'process' | 'power'
  }
  /** Enters an owner, once per delegator. */
  join(owner: Owner): Promise<void>
  /** Alive; returns the interrupts that wait for this owner's units. @throws LEDGER_UNKNOWN_OWNER */
  heartbeat(ownerId: string): Promise<readonly InterruptRequest[]>
  /**
   * The critical section (P1): key known, every charge fits (a held `slotKey` fits always), then charge and insert.
   * @throws LEDGER_UNKNOWN_OWNER
   */
  admit(ownerId: string, draft: UnitDraft, charges: readonly Charge[], key?: Key): Promise<Admission>
  /** Undoes an admission of which nothing ran (R18): no record, no event, charges back. */
  withdraw(hold: Hold): Promise<boolean>
  /**
   * Adds what became known (P5). False: fence lost, ended, or another result of a child that has one; then it is kept as
   * `late`. How an interrupt went may be known after the end only, and is recorded all the same.
   */
  record(hold: Hold, patch: UnitPatch): Promise<boolean>
  /** Compare-and-set to the end, and the event claimable in the same step (P3, P4). Resolves when durable. */
  settle(hold: Hold, end: Settlement): Promise<Settled>
  /** Gives back a kept slot: the run returned, or its thread exited (P6). */
  freeSlot(hold: Hold): Promise<void>
  /** Asks the owners to stop what matches and is live, wherever it runs; returns what was asked. */
  requestInterrupt(
    select: Select,
    request: { readonly requestId: string; readonly reason: string; readonly graceMs: number },
  ): Promise<readonly UnitRecord[]>
  /** Who has joined, for the caller to judge who is dead. */
  owners(): Promise<readonly Owner[]>
  /**
   * Moves a dead owner's live units (new fence), frees its claims and the slots it kept, costing no attempt. Of two that
   * try, one gets them. `which: 'unknown'` leaves those that an adopter may run again, and with them the dead owner.
   */
  takeOver(deadOwnerId: string, byOwnerId: string, which: 'all' | 'unknown'): Promise<readonly TakenUnit[]>
  /** Puts an event of the host's own on the same rail (R3). @throws LEDGER_DUPLICATE */
  publish(ownerId: string, event: AsyncDelegationEvent): Promise<number>
  /** Leases pending deliveries in `seq` order. `nextAt`: when to ask again if nothing wakes the caller. */
  claim(
    ownerId: string,
    select: Select,
    limit: number,
    leaseSeconds: number,
  ): Promise<{ readonly claims: readonly Claim[]; readonly nextAt: Instant | null }>
  /** One verdict for many claims in one step; false where the claim was lost. `release` past the attempts makes it `dead`. */
  resolve(tokens: readonly string[], verdict: Verdict): Promise<readonly boolean[]>
  /** Delivered by pull: marks an event delivered unless somebody else's claim on it is live. */
  collect(eventId: string): Promise<boolean>
  /** The operator: dead or dropped back to pending with fresh attempts, or dismissed for good. */
  reopen(eventIds: readonly string[], to: 'pending' | 'dismissed'): Promise<readonly boolean[]>
  /** One unit; ended ones until pruned. */
  get(id: string): Promise<UnitRecord | null>
  /** Units, newest first; marks nothing. `live`: only live, only ended, or (`null`) both. */
  list(select: Select, live: boolean | null, page: Page): Promise<readonly UnitRecord[]>
  /** Deliveries in `seq` order without claiming. */
  deliveries(select: Select, states: readonly DeliveryState[], page: Page): Promise<readonly Delivery[]>
  /** In use now, with holders: `capacity()`. */
  usage(counters: readonly string[]): Promise<readonly CounterUse[]>
  /** A hint that units, interrupts or deliveries changed; may merge, repeat or miss: who is told reads. What `onChange` throws is dropped. Keeps no process alive. */
  subscribe(onChange: () => void): () => void
  /** Deletes ended and resolved rows past retention; never pending or dead ones, never a key before its time. Returns how many. */
  prune(): Promise<number>
  /** Lets go. Later calls throw LEDGER_CLOSED. */
  close(): Promise<void>
}
