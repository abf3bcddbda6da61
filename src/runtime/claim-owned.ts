import type { Instant } from '../core/clock.js'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Claim, Select } from '../ledger/shapes.js'

/** Tells whether an event is this host's. One that throws says no: without proof nothing is claimed. */
export type Owns = (event: AsyncDelegationEvent) => boolean

interface ClaimRequest {
  readonly ownerId: string
  readonly owns: Owns
  /** Among which it is asked. */
  readonly among: Select
  readonly limit: number
  readonly leaseSeconds: number
  readonly now: Instant
}

/** Deliveries that are looked at in one step. */
const pageSize = 200

/** Claims by a predicate, which no ledger could run: page by page it is asked about what is open, and its yes is claimed by the event's id. */
export async function claimOwned(
  ledger: Ledger,
  { ownerId, owns, among, limit, leaseSeconds, now }: ClaimRequest,
): Promise<{ readonly claims: readonly Claim[]; readonly nextAt: Instant | null }> {
  const eventIds: string[] = []
  const leased: string[] = []
  let nextAt: Instant | null = null
  for (let afterSeq = 0; eventIds.length < limit;) {
    const page = await ledger.deliveries(among, ['pending', 'claimed'], { afterSeq, limit: pageSize })
    for (const { eventId, state, availableAt, pulled, event } of page) {
      if (pulled || !saysYes(owns, event)) continue
      if (state === 'pending' && availableAt <= now) eventIds.push(eventId)
      else if (state === 'pending') nextAt = Math.min(nextAt ?? Infinity, availableAt)
      else leased.push(eventId)
    }
    if (page.length < pageSize) break
    afterSeq = page.at(-1)?.seq ?? Infinity
  }
  // Of those that are leased only the ledger knows until when.
  const asked = [...eventIds, ...leased].slice(0, limit)
  if (asked.length === 0) return { claims: [], nextAt }
  // By the ids of events alone: another session's event may name the same delegation.
  const found = await ledger.claim(ownerId, { eventIds: asked }, limit, leaseSeconds)
  const times = [nextAt, found.nextAt].filter((at) => at !== null)
  return { claims: found.claims, nextAt: times.length === 0 ? null : Math.min(...times) }
}

function saysYes(owns: Owns, event: AsyncDelegationEvent): boolean {
  try {
    // Anything but true is no proof: a promise, for one, would always pass.
    return (owns(event) as unknown) === true
  } catch {
    return false
  }
}
