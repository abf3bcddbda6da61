/** A session that is over, by its user's word: what it started is stopped, and what waits for it goes to nobody. */
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Delivery } from '../ledger/shapes.js'
import type { Interrupts } from './interrupts.js'
import { watchChanges } from './ledger-changes.js'
import type { InterruptReport } from './stop-report.js'
import type { WaitingFeed } from './waiting-feed.js'

export interface EndSessionOptions {
  /** Kept with what is dropped, and told to the children. @defaultValue 'the session has ended' */
  readonly reason?: string
  /** How long children may go on before they are stopped by force, ms. @defaultValue the delegator's `interruptGraceMs` */
  readonly graceMs?: number
}

export interface EndedSession {
  readonly interrupted: InterruptReport
  /** Completions that are delivered to nobody. */
  readonly dropped: number
  /** Those that somebody was delivering at that moment, and still is. */
  readonly underWay: number
}

export type EndSession = (sessionKey: string, options?: EndSessionOptions) => Promise<EndedSession>

interface EndSessionDependencies {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly ownerId: string
  readonly feed: WaitingFeed
  readonly interrupts: Interrupts
  readonly closed: AbortSignal
}

/** A host that has claimed when the session ends gives back what it has not begun to deliver; it has so long, ms. */
const giveBackMs = 1_000
const most = 10_000

export function createEndSession(dependencies: EndSessionDependencies): EndSession {
  const { ledger, clock, ownerId, feed, interrupts, closed } = dependencies
  const scopeOf = (sessionKey: string) => ({
    sessionKey,
    ...(sessionKey === '' && { dispatchedBy: ownerId }),
  })

  /** What a unit that is there to be collected ends in is for who waits for it. */
  async function openIn(sessionKey: string): Promise<readonly Delivery[]> {
    const open = await ledger.deliveries(scopeOf(sessionKey), ['pending', 'claimed'], { limit: most })
    return open.filter(({ pulled }) => !pulled)
  }

  async function dropAll(sessionKey: string, ids: ReadonlySet<string>, reason: string) {
    const changes = watchChanges(ledger, clock, [closed])
    const deadlineMs = clock.monotonicMs() + giveBackMs
    let dropped = 0
    try {
      for (;;) {
        changes.reset()
        const open = (await openIn(sessionKey)).filter(({ delegationId }) => ids.has(delegationId))
        const gone = await ledger.drop(
          open.map(({ eventId }) => eventId),
          reason,
        )
        dropped += gone.filter(Boolean).length
        const underWay = gone.filter((isGone) => !isGone).length
        if (underWay === 0 || clock.monotonicMs() >= deadlineMs) return { dropped, underWay }
        await changes.wait(deadlineMs - clock.monotonicMs())
      }
    } finally {
      changes.stop()
    }
  }

  return async (sessionKey, { reason = 'the session has ended', graceMs } = {}) => {
    if (typeof (sessionKey as unknown) !== 'string') {
      throw new DelegationError('OPTION_INVALID', { sessionKey, expected: 'a string' })
    }
    const resume = feed.suspend(sessionKey)
    try {
      // Up to now: what is dispatched from now on is the next conversation's. A unit that ends between the two reads is
      // found by its event.
      const live = (await ledger.list(scopeOf(sessionKey), true, { limit: most })).map(({ id }) => id)
      const waiting = (await openIn(sessionKey)).map(({ delegationId }) => delegationId)
      const how = { reason, ...(graceMs !== undefined && { graceMs }) }
      const interrupted = await interrupts.forSession({ ids: live }, how)
      return { interrupted, ...(await dropAll(sessionKey, new Set([...live, ...waiting]), reason)) }
    } finally {
      resume()
    }
  }
}
