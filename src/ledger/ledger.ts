/**
 * The ledger port: where units are admitted, recorded and delivered. Three ideas carry it: **charges** (every cap is
 * a counter charged in one admission), **fenced holds** (an owner that wakes up after it was declared dead can write
 * nothing), **verdicts** on claims (ack, renew, release, defer and drop are one operation). It promises what is
 * observed, not how; test/contract/ledger.ts holds every implementation to it.
 */
import type { Instant } from '../core/clock.js'
import type { DeliveryState } from '../core/delivery-states.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Mail } from './mail.js'
import type {
  Admission,
  Charge,
  Claim,
  CounterUse,
  Delivery,
  Hold,
  InterruptRequest,
  Key,
  Owner,
  Page,
  Select,
  Settled,
  Settlement,
  TakenUnit,
  UnitDraft,
  UnitPatch,
  UnitRecord,
  UsageQuery,
  UsageSum,
  Verdict,
  Waiting,
} from './shapes.js'

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
   * The critical section (P1): key known, every charge fits (those of a held `slotKey` always), then charge and insert.
   * `joining` are further units of the same call: they have the first one's slot, and their holds its fence.
   * @throws LEDGER_UNKNOWN_OWNER, LEDGER_DUPLICATE
   */
  admit(
    ownerId: string,
    draft: UnitDraft,
    charges: readonly Charge[],
    key?: Key,
    joining?: readonly UnitDraft[],
  ): Promise<Admission>
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
    request: Omit<InterruptRequest, 'unitId' | 'at'>,
  ): Promise<readonly UnitRecord[]>
  /** Letters to the owners of live units, and their replies. */
  readonly mail: Mail
  /** Who has joined, for the caller to judge who is dead. */
  owners(): Promise<readonly Owner[]>
  /**
   * Moves a dead owner's live units (new fence), frees its claims and the slots it kept, costing no attempt. Of two that
   * try, one gets them. `which: 'unknown'` leaves those that an adopter may run again, and with them the dead owner.
   */
  takeOver(deadOwnerId: string, byOwnerId: string, which: 'all' | 'unknown'): Promise<readonly TakenUnit[]>
  /** Puts an event of the host's own on the same rail (R3). `collect`: only who names it gets it. @throws LEDGER_DUPLICATE */
  publish(ownerId: string, event: AsyncDelegationEvent, delivery?: 'claim' | 'collect'): Promise<number>
  /** Leases pending deliveries in `seq` order. `nextAt`: when to ask again if nothing wakes the caller. */
  claim(
    ownerId: string,
    select: Select,
    limit: number,
    leaseSeconds: number,
  ): Promise<{ readonly claims: readonly Claim[]; readonly nextAt: Instant | null }>
  /** Where events are open that need not be pulled: one read for all sessions, however many wait for news of theirs. */
  waiting(): Promise<readonly Waiting[]>
  /** One verdict for many claims in one step; false where the claim was lost. `release` past the attempts makes it `dead`. */
  resolve(tokens: readonly string[], verdict: Verdict): Promise<readonly boolean[]>
  /** Delivered by pull: marks an event delivered unless somebody else's claim on it is live. */
  collect(eventId: string): Promise<boolean>
  /** Its target is gone for good: drops what is pending, also what waits for its time. False for all else: a claim decides itself. */
  drop(eventIds: readonly string[], reason: string): Promise<readonly boolean[]>
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
  /** What was used by children that have ended, added up; costs as much as there is in the time asked for. Kept for 90 days. */
  usageSums(query: UsageQuery): Promise<readonly UsageSum[]>
  /** A hint that units, interrupts or deliveries changed; may merge, repeat or miss: who is told reads. What `onChange` throws is dropped. Keeps no process alive. */
  subscribe(onChange: () => void): () => void
  /** Deletes ended and resolved rows past retention; never pending or dead ones, never a key before its time. Returns how many. */
  prune(): Promise<number>
  /** Lets go. Later calls throw LEDGER_CLOSED. */
  close(): Promise<void>
}
