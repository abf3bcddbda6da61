/** How a host takes completions: claim, then one verdict each. Delivery is at least once, and never to a stranger. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../core/clock.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import { failPoint } from '../core/fail-point.js'
import { renderTurn } from '../core/render-turn.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Claim, Verdict } from '../ledger/shapes.js'
import { claimOwned, type Owns } from './claim-owned.js'
import { selectOf, type CompletionSelect } from './completion-select.js'
import { createDeliveries, type Deliveries } from './deliveries.js'
import { watchChanges, type LedgerChanges } from './ledger-changes.js'
import { checkedNumber } from './checked.js'
import { asClosed } from './closed.js'
import type { ProcessHold } from './process-hold.js'
import type { WaitingFeed } from './waiting-feed.js'

export interface ClaimOptions extends CompletionSelect {
  /**
   * Asked about each open event: of the session that is given as `sessionKey` or `waiting`, else of the whole ledger, for
   * hosts whose sessions no selector can name. One that throws says no.
   */
  readonly owns?: Owns
  /** @defaultValue 100 */
  readonly limit?: number
  /** How long the claim holds unless it is renewed, seconds. @defaultValue 300 */
  readonly leaseSeconds?: number
}

export interface FollowOptions extends ClaimOptions {
  /** Ends the iteration. */
  readonly signal?: AbortSignal
  /**
   * `always`: the process lives while the iteration is open. `while-working`: only while a unit of this delegator is
   * live, or a completion of this selection waits.
   * @defaultValue 'always'
   */
  readonly keepAlive?: 'always' | 'while-working'
}

/** One event that is this host's to deliver. Every verdict resolves false when the claim was lost meanwhile. */
export interface Completion {
  /** `event.event_id` is what a host remembers to see each event once. */
  readonly event: AsyncDelegationEvent
  /** The claim, for logs. */
  readonly token: string
  /** The turn that hands it to a model: fenced, redacted, bounded (P10). */
  readonly text: string
  /** The host accepted the turn. */
  ack(): Promise<boolean>
  /** The turn still starts: the lease begins anew. */
  renew(leaseSeconds?: number): Promise<boolean>
  /** It failed: costs an attempt, and comes again after a back-off; after the last attempt it is `dead`. */
  release(error?: string): Promise<boolean>
  /** The host is busy: costs nothing, and comes again after `seconds`. */
  defer(seconds?: number): Promise<boolean>
  /** Its target is gone for good. */
  drop(reason?: string): Promise<boolean>
}

export interface Completions extends Deliveries {
  claim(options?: ClaimOptions): Promise<readonly Completion[]>
  /** One verdict for many, in one step of the ledger. */
  ack(completions: readonly Completion[]): Promise<readonly boolean[]>
  release(completions: readonly Completion[], error?: string): Promise<readonly boolean[]>
  defer(completions: readonly Completion[], seconds?: number): Promise<readonly boolean[]>
  drop(completions: readonly Completion[], reason?: string): Promise<readonly boolean[]>
  /** Tells what waits, claiming nothing; 1,000 watches cost as much as one. Take it over with `claim({ waiting })`. */
  readonly watch: WaitingFeed['watch']
  /** Claims one after the other as they come. Ends with the signal, or when the delegator closes. */
  follow(options?: FollowOptions): AsyncGenerator<Completion, void, undefined>
}

const defaults = { limit: 100, leaseSeconds: 300, deferSeconds: 1 } as const
/** A follower looks again after this long even if nobody woke it, s: hints may be missed. */
const followIdleSeconds = 60

interface CompletionsOptions {
  readonly ledger: Ledger
  readonly feed: WaitingFeed
  readonly ownerId: string
  readonly clock: Clock
  readonly hold: ProcessHold
  readonly closed: AbortSignal
  /** True while a unit of this delegator is live. */
  readonly isWorking: () => boolean
}

/** @param nonce gives a fresh fence for every turn. */
export function turnText(events: readonly AsyncDelegationEvent[]): string {
  return renderTurn(events, { nonce: randomBytes(8).toString('hex') })
}

/** A class, because one is made for every event: see `Completion` for what it promises. */
export class ClaimedCompletion implements Completion {
  readonly token: string
  readonly event: AsyncDelegationEvent
  readonly #ledger: Ledger
  #text: string | null = null

  constructor({ token, delivery }: Claim, ledger: Ledger) {
    this.token = token
    this.event = delivery.event
    this.#ledger = ledger
  }

  get text(): string {
    return (this.#text ??= turnText([this.event]))
  }

  ack(): Promise<boolean> {
    return this.#judge({ kind: 'ack' })
  }

  async renew(leaseSeconds: number = defaults.leaseSeconds): Promise<boolean> {
    return this.#judge({ kind: 'renew', leaseSeconds: checkedNumber('leaseSeconds', leaseSeconds) })
  }

  release(error = 'released'): Promise<boolean> {
    return this.#judge({ kind: 'release', error })
  }

  async defer(seconds: number = defaults.deferSeconds): Promise<boolean> {
    return this.#judge({ kind: 'defer', forSeconds: checkedNumber('seconds', seconds) })
  }

  drop(reason = 'dropped'): Promise<boolean> {
    return this.#judge({ kind: 'drop', reason })
  }

  async #judge(verdict: Verdict): Promise<boolean> {
    return (await this.#ledger.resolve([this.token], verdict).catch(asClosed))[0] ?? false
  }
}

export function createCompletions({
  ledger,
  feed,
  ownerId,
  clock,
  hold,
  closed,
  isWorking,
}: CompletionsOptions): Completions {
  function judgeAll(completions: readonly Completion[], verdict: Verdict): Promise<readonly boolean[]> {
    const tokens = completions.map(({ token }) => token)
    return ledger.resolve(tokens, verdict).catch(asClosed)
  }

  async function claimPage(options: ClaimOptions) {
    const { limit = defaults.limit, leaseSeconds = defaults.leaseSeconds } = options
    checkedNumber('limit', limit)
    checkedNumber('leaseSeconds', leaseSeconds)
    failPoint('claim:before')
    const { owns, sessionKey, waiting } = options
    const select = selectOf(options, ownerId)
    const among = sessionKey === undefined && waiting === undefined ? ({ all: true } as const) : select
    const claiming =
      owns === undefined
        ? ledger.claim(ownerId, select, limit, leaseSeconds)
        : claimOwned(ledger, { ownerId, owns, among, limit, leaseSeconds, now: clock.now() })
    const { claims, nextAt } = await claiming.catch(asClosed)
    if (claims.length > 0) failPoint('claim:committed')
    return { completions: claims.map((claim) => new ClaimedCompletion(claim, ledger)), nextAt }
  }

  function untilNews(nextAt: number | null, changes: LedgerChanges): Promise<void> {
    const seconds = Math.min(followIdleSeconds, Math.max(0, (nextAt ?? Infinity) - clock.now()))
    return changes.wait(seconds * 1000)
  }

  async function* follow(options: FollowOptions = {}): AsyncGenerator<Completion, void, undefined> {
    const signals = options.signal === undefined ? [closed] : [closed, options.signal]
    const changes = watchChanges(ledger, clock, signals)
    let letGo: (() => void) | null = null
    let untaken: readonly Completion[] = []
    try {
      while (!signals.some((signal) => signal.aborted)) {
        changes.reset()
        const { completions, nextAt } = await claimPage({ ...options, limit: options.limit ?? 1 })
        const isBusy = completions.length > 0 || nextAt !== null || isWorking()
        if (options.keepAlive !== 'while-working' || isBusy) letGo ??= hold.take()
        else {
          letGo?.()
          letGo = null
        }
        for (const [index, completion] of completions.entries()) {
          untaken = completions.slice(index + 1)
          yield completion
        }
        if (completions.length === 0) await untilNews(nextAt, changes)
      }
    } finally {
      letGo?.()
      changes.stop()
      // Claimed, but never handed out: it is nobody's fault and costs nothing.
      if (untaken.length > 0) await judgeAll(untaken, { kind: 'defer', forSeconds: 0 })
    }
  }

  return {
    claim: async (options = {}) => (await claimPage(options)).completions,
    ack: (completions) => judgeAll(completions, { kind: 'ack' }),
    release: (completions, error = 'released') => judgeAll(completions, { kind: 'release', error }),
    defer: async (completions, seconds = defaults.deferSeconds) =>
      judgeAll(completions, { kind: 'defer', forSeconds: checkedNumber('seconds', seconds) }),
    drop: (completions, reason = 'dropped') => judgeAll(completions, { kind: 'drop', reason }),
    follow,
    watch: feed.watch,
    ...createDeliveries(ledger, ownerId),
  }
}
