/**
 * What is done about owners that died. Invariants:
 *
 * V1. A unit of a dead owner is taken over by one living delegator, under a new fence; the dead one, should it wake up,
 *     can write nothing any more.
 * V2. What its children had recorded is in its final event (P5). It is run again only if its runner said that it may
 *     be, and only by a delegator that adopts.
 */
import type { Clock } from '../core/clock.js'
import { roundedSeconds } from '../core/clock.js'
import type { ChildResult } from '../core/event.js'
import { failPoint } from '../core/fail-point.js'
import { ownerDeathEvent } from '../core/owner-death.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Hold, Owner, TakenUnit, UnitRecord } from '../ledger/shapes.js'
import type { RunnerReference } from '../runner.js'
import type { EventHub } from './events.js'
import { createOwnerJudge } from './owner-identity.js'
import { tellUsage } from './unit-costs.js'
import { transcriptTail } from './transcript-tail.js'
import { transcriptsOf, unitFacts } from './unit-event.js'

export interface Recovery {
  /** Looks for dead owners once. Resolves to how many units were taken over. */
  sweep(): Promise<number>
}

interface RecoveryOptions {
  readonly ledger: Ledger
  readonly self: Owner
  readonly clock: Clock
  readonly hub: EventHub
  /** Runs unfinished children again; null in a delegator that does not adopt. False when it cannot be done. */
  readonly rerun: ((hold: Hold, unit: UnitRecord) => boolean) | null
}

/** How long a unit that may be run again waits for a delegator that adopts, ms. */
const adoptionMs = 60_000
const tailCharacters = 2_000
const tailLines = 20

export function createRecovery({ ledger, self, clock, hub, rerun }: RecoveryOptions): Recovery {
  const judge = createOwnerJudge(self, clock)
  const deadSinceMs = new Map<string, number>()
  /** Ours now, and not recovered yet: what fails is tried again by the next sweep. */
  const taken: TakenUnit[] = []

  /** A delegator that does not adopt leaves what may be run again to one that does, for a while. */
  function shareOf({ id, seenAt }: Owner): 'all' | 'unknown' {
    if (rerun !== null) return 'all'
    const since = deadSinceMs.get(id) ?? clock.monotonicMs()
    deadSinceMs.set(id, since)
    // By what we saw ourselves, or, in a command that lives for a moment, by when it was last seen alive.
    const deadMs = Math.max(clock.monotonicMs() - since, (clock.now() - seenAt) * 1000)
    return deadMs >= adoptionMs ? 'all' : 'unknown'
  }

  /** What its children had asked nobody can answer any more: those that are run again ask anew. */
  async function withdrawQuestions(hold: Hold, { id, children }: UnitRecord): Promise<void> {
    const asked = [...children.entries()].filter(([, { question }]) => question !== undefined)
    if (asked.length === 0) return
    const open = await ledger.deliveries({ ids: [id] }, ['pending'], { limit: Number.MAX_SAFE_INTEGER })
    for (const { eventId, event } of open) if (event.question !== undefined) await ledger.collect(eventId)
    for (const [index] of asked)
      await ledger.record(hold, { child: { index, state: 'waiting', question: null } })
  }

  async function recover(hold: Hold, unit: UnitRecord): Promise<void> {
    await withdrawQuestions(hold, unit)
    if (rerun !== null && unit.onOwnerDeath !== 'unknown' && rerun(hold, unit)) return
    const event = ownerDeathEvent(factsOf(unit, clock.now()), {
      goals: unit.goals,
      recorded: recordedOf(unit),
      lastKnownStatus: unit.state,
      transcriptTails: await tailsOf(unit.transcripts ?? []),
    })
    failPoint('recover:before-settle')
    // Without `actual`: what its unfinished children had used nobody knows, so that what was reserved is spent.
    const usage = tellUsage(event, unit.runner as RunnerReference | null)
    const end = { state: 'unknown', cause: 'owner_died', event, slot: 'freed', usage } as const
    const settled = await ledger.settle(hold, end)
    failPoint('recover:settled')
    if (!settled.won) return
    if (settled.fault !== undefined) hub.emit('fault', settled.fault)
    hub.emit('completion', settled.event)
  }

  return {
    async sweep() {
      for (const owner of await ledger.owners()) {
        if (!judge.isDead(owner)) continue
        failPoint('take-over:before')
        taken.push(...(await ledger.takeOver(owner.id, self.id, shareOf(owner))))
      }
      let count = 0
      for (let next = taken[0]; next !== undefined; next = taken[0]) {
        await recover(next.hold, next.unit)
        taken.shift()
        count += 1
      }
      return count
    },
  }
}

/** Results of children that had ended. */
export function recordedOf({ children }: UnitRecord): readonly ChildResult[] {
  return children.map(({ result }) => result as ChildResult | null).filter((result) => result !== null)
}

function factsOf(unit: UnitRecord, now: number) {
  return unitFacts(unit, {
    dispatchedAt: unit.admittedAt,
    completedAt: now,
    durationSeconds: Math.max(0, roundedSeconds(unit.admittedAt * 1000, now * 1000)),
    liveTranscripts: transcriptsOf(unit.transcripts),
  })
}

/** The last lines of each transcript that can be read (spec 2.1: 20 lines, 2,000 characters). */
async function tailsOf(paths: readonly (string | null)[]): Promise<Readonly<Record<string, string>>> {
  const tails: Record<string, string> = {}
  for (const [index, path] of paths.entries()) {
    const tail = path === null ? '' : await transcriptTail(path, tailCharacters, tailLines)
    if (tail !== '') tails[String(index)] = tail
  }
  return tails
}
