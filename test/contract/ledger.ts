/**
 * What every ledger promises, as seen from outside. An implementation's test calls `ledgerContract` with a way to
 * open an empty one on a clock that the test holds in its hand.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../src/core/clock.js'
import type { AsyncDelegationEvent } from '../../src/core/event.js'
import type { DeliveryRules } from '../../src/ledger/delivery-rules.js'
import type { Ledger } from '../../src/ledger/ledger.js'
import type {
  Charge,
  Claim,
  DeliveryState,
  Hold,
  Owner,
  Select,
  Settlement,
  UnitDraft,
} from '../../src/ledger/shapes.js'
import { createManualClock, type ManualClock } from '../support/manual-clock.js'

export interface GivenToLedger {
  readonly clock: Clock
  readonly random: () => number
  readonly rules?: Partial<DeliveryRules>
}

export type OpenLedger = (given: GivenToLedger) => Promise<Ledger>

export function ownerOf(id: string): Owner {
  return { id, pid: 1, startedAt: 0, bootId: '', pidNamespace: '', seenAt: 0 }
}

/** A draft of one child for `session`. */
export function draftOf(
  id: string,
  session = 'agent:main:cli:dm:local',
  more: Partial<UnitDraft> = {},
): UnitDraft {
  return {
    id,
    slotKey: id,
    parentId: null,
    route: { sessionKey: session, parentSessionId: null, originUiSessionId: '', originSessionId: '' },
    goal: `goal of ${id}`,
    goals: null,
    context: null,
    toolsets: null,
    role: 'leaf',
    model: null,
    runner: null,
    childCount: 1,
    onOwnerDeath: 'unknown',
    work: null,
    transcripts: null,
    delivery: 'claim',
    metadata: null,
    ...more,
  }
}

/** The final event of a draft. */
export function eventOf(draft: UnitDraft, more: Partial<AsyncDelegationEvent> = {}): AsyncDelegationEvent {
  const { id, route, goal, context, toolsets, role, model } = draft
  return {
    type: 'async_delegation',
    delegation_id: id,
    event_id: id,
    session_key: route.sessionKey,
    ...(route.parentSessionId !== null && { parent_session_id: route.parentSessionId }),
    ...(route.originUiSessionId !== '' && { origin_ui_session_id: route.originUiSessionId }),
    goal,
    context,
    toolsets,
    role,
    model,
    status: 'completed',
    summary: `summary of ${id}`,
    error: null,
    api_calls: 1,
    duration_seconds: 1,
    dispatched_at: 1,
    completed_at: 2,
    exit_reason: null,
    ...more,
  } as AsyncDelegationEvent
}

export function endOf(draft: UnitDraft, more: Partial<Settlement> = {}): Settlement {
  return { state: 'completed', cause: 'returned', event: eventOf(draft), slot: 'freed', ...more }
}

const units = (limit: number): readonly Charge[] => [{ counter: 'units', amount: 1, limit }]
const session = 'agent:main:cli:dm:local'
const mine: Select = { sessionKey: session }
const everything: Select = { all: true }
const everyState: readonly DeliveryState[] = [
  'pending',
  'claimed',
  'delivered',
  'dead',
  'dropped',
  'dismissed',
]
const manyLimit = 1_000
const ack = { kind: 'ack' } as const
const closedError = expect.objectContaining({ name: 'DelegationError', code: 'LEDGER_CLOSED' }) as unknown
const unknownOwner = expect.objectContaining({
  name: 'DelegationError',
  code: 'LEDGER_UNKNOWN_OWNER',
}) as unknown
const duplicate = expect.objectContaining({ name: 'DelegationError', code: 'LEDGER_DUPLICATE' }) as unknown

/** A ledger with two owners, and the steps that most tests are made of. */
interface Bench {
  readonly clock: ManualClock
  readonly ledger: Ledger
  /** Admits for owner `a` unless told otherwise; fails the test when refused. */
  admitted(draft: UnitDraft, owner?: string, limit?: number): Promise<Hold>
  /** Admits and settles. */
  ended(draft: UnitDraft, owner?: string): Promise<void>
  claimed(select?: Select, owner?: string, leaseSeconds?: number): Promise<readonly Claim[]>
  claimedIds(select?: Select, owner?: string): Promise<readonly string[]>
  statesOf(select?: Select): Promise<Readonly<Record<string, DeliveryState>>>
  inUse(counter?: string): Promise<number>
}

function benchOf(clock: ManualClock, ledger: Ledger): Bench {
  const bench: Bench = {
    clock,
    ledger,
    async admitted(draft, owner = 'a', limit = manyLimit) {
      const admission = await ledger.admit(owner, draft, units(limit))
      expect(admission.status).toBe('admitted')
      return (admission as { readonly hold: Hold }).hold
    },
    async ended(draft, owner = 'a') {
      const settled = await ledger.settle(await bench.admitted(draft, owner), endOf(draft))
      expect(settled.won).toBe(true)
    },
    async claimed(select = mine, owner = 'a', leaseSeconds = 300) {
      return (await ledger.claim(owner, select, manyLimit, leaseSeconds)).claims
    },
    async claimedIds(select = mine, owner = 'a') {
      return (await bench.claimed(select, owner)).map(({ eventId }) => eventId)
    },
    async statesOf(select = everything) {
      const found = await ledger.deliveries(select, everyState, { limit: manyLimit })
      return Object.fromEntries(found.map(({ eventId, state }) => [eventId, state]))
    },
    async inUse(counter = 'units') {
      const [use] = await ledger.usage([counter])
      return use?.inUse ?? -1
    },
  }
  return bench
}

/** One suite for every `Ledger`. */
export function ledgerContract(name: string, open: OpenLedger): void {
  describe(`${name} keeps the ledger's contract:`, () => {
    let bench: Bench
    let opened: Ledger[] = []

    async function openBench(rules: Partial<DeliveryRules> = {}): Promise<Bench> {
      const clock = createManualClock()
      const ledger = await open({ clock, random: () => 0.5, rules })
      opened.push(ledger)
      await ledger.join(ownerOf('a'))
      await ledger.join(ownerOf('b'))
      return benchOf(clock, ledger)
    }

    beforeEach(async () => {
      bench = await openBench()
    })

    afterEach(async () => {
      await Promise.all(opened.map((ledger) => ledger.close()))
      opened = []
    })

    describe('admission', () => {
      it('R13, P1: of 50 that race for 3 slots exactly 3 are admitted, and each refusal names the 3 holders', async () => {
        const ids = Array.from({ length: 50 }, (_, index) => `u${index}`)
        const admissions = await Promise.all(
          ids.map((id, index) => bench.ledger.admit(index % 2 === 0 ? 'a' : 'b', draftOf(id), units(3))),
        )
        const counts = admissions.map(({ status }) => status)
        expect(counts.filter((status) => status === 'admitted')).toHaveLength(3)
        const refused = admissions.filter((admission) => admission.status === 'refused')
        expect(refused).toHaveLength(47)
        for (const { counter, limit, inUse, holders } of refused) {
          expect({ counter, limit, inUse, holders: holders.length }).toEqual({
            counter: 'units',
            limit: 3,
            inUse: 3,
            holders: 3,
          })
        }
        expect(await bench.inUse()).toBe(3)
      })

      it('R13: the cap holds while admissions race with ends', async () => {
        let inUse = 0
        let highest = 0
        const one = async (id: string): Promise<void> => {
          const draft = draftOf(id)
          const admission = await bench.ledger.admit('a', draft, units(2))
          if (admission.status !== 'admitted') return
          inUse += 1
          highest = Math.max(highest, inUse, await bench.inUse())
          inUse -= 1
          await bench.ledger.settle(admission.hold, endOf(draft))
        }
        await Promise.all(Array.from({ length: 40 }, (_, index) => one(`u${index}`)))
        expect(highest).toBeGreaterThan(0)
        expect(highest).toBeLessThanOrEqual(2)
        expect(await bench.inUse()).toBe(0)
      })

      it('R14: the limit is that of this call, both larger and smaller than the last one', async () => {
        await bench.admitted(draftOf('u1'), 'a', 1)
        expect((await bench.ledger.admit('a', draftOf('u2'), units(1))).status).toBe('refused')
        await bench.admitted(draftOf('u3'), 'a', 2)
        expect((await bench.ledger.admit('a', draftOf('u4'), units(1))).status).toBe('refused')
        expect(await bench.inUse()).toBe(2)
      })

      it('R14: cap 0 always refuses', async () => {
        const admission = await bench.ledger.admit('a', draftOf('u1'), units(0))
        expect(admission).toEqual({ status: 'refused', counter: 'units', limit: 0, inUse: 0, holders: [] })
      })

      it('R15: what is refused leaves nothing: no record, no event, no charge on the counters that had room', async () => {
        const charges = [
          { counter: 'threads', amount: 2, limit: 10 },
          { counter: 'units', amount: 1, limit: 0 },
        ]
        expect((await bench.ledger.admit('a', draftOf('u1'), charges)).status).toBe('refused')
        expect(await bench.ledger.get('u1')).toBeNull()
        expect(await bench.ledger.list(everything, null, { limit: 10 })).toEqual([])
        expect(await bench.statesOf()).toEqual({})
        expect(await bench.inUse('threads')).toBe(0)
      })

      it('P2: a unit that joins a held slot is admitted at full cap, and the slot is free when the last one left', async () => {
        const parent = draftOf('parent')
        const nested = draftOf('nested', session, { slotKey: 'parent', parentId: 'parent' })
        const parentHold = await bench.admitted(parent, 'a', 1)
        const nestedHold = await bench.admitted(nested, 'a', 1)
        expect(await bench.inUse()).toBe(1)
        await bench.ledger.settle(parentHold, endOf(parent))
        expect(await bench.inUse()).toBe(1)
        expect((await bench.ledger.admit('a', draftOf('u1'), units(1))).status).toBe('refused')
        await bench.ledger.settle(nestedHold, endOf(nested))
        expect(await bench.inUse()).toBe(0)
      })

      it('P2: units that join in one call are admitted with the first or not at all, and its slot goes with the last', async () => {
        const { ledger } = bench
        const first = draftOf('c-1')
        const parts = ['c-2', 'c-3'].map((id) => draftOf(id, session, { slotKey: 'c-1' }))
        expect((await ledger.admit('a', first, units(0), undefined, parts)).status).toBe('refused')
        expect(await ledger.list(everything, null, { limit: 9 })).toEqual([])
        const admission = await ledger.admit('a', first, units(1), undefined, parts)
        expect(admission).toMatchObject({ status: 'admitted', hold: { fence: 1 } })
        expect(await bench.inUse()).toBe(1)
        for (const draft of [first, ...parts]) {
          expect(await bench.inUse()).toBe(1)
          expect((await ledger.settle({ id: draft.id, fence: 1 }, endOf(draft))).won).toBe(true)
        }
        expect(await bench.inUse()).toBe(0)
      })

      it('P2: a joining unit whose id is taken leaves nothing of its call', async () => {
        const { ledger } = bench
        await bench.admitted(draftOf('taken'))
        const joining = [draftOf('c-2'), draftOf('taken')].map((draft) => ({ ...draft, slotKey: 'c-1' }))
        await expect(ledger.admit('a', draftOf('c-1'), units(9), undefined, joining)).rejects.toEqual(
          duplicate,
        )
        expect((await ledger.list(everything, null, { limit: 9 })).map(({ id }) => id)).toEqual(['taken'])
        expect(await bench.inUse()).toBe(1)
      })

      it('P2: a dead owner leaves no slot behind, however many units shared it', async () => {
        const { ledger } = bench
        const parts = ['c-2', 'c-3'].map((id) => draftOf(id, session, { slotKey: 'c-1' }))
        await ledger.admit('a', draftOf('c-1'), units(1), undefined, parts)
        await ledger.settle({ id: 'c-1', fence: 1 }, endOf(draftOf('c-1'), { slot: 'kept' }))
        await ledger.settle({ id: 'c-2', fence: 1 }, endOf(draftOf('c-2')))
        const taken = await ledger.takeOver('a', 'b', 'all')
        expect(taken.map(({ unit }) => unit.id)).toEqual(['c-3'])
        expect(await bench.inUse()).toBe(1)
        for (const { hold, unit } of taken) await ledger.settle(hold, endOf(unit))
        expect(await bench.inUse()).toBe(0)
      })

      it('P1: usage names the holders of each counter, and nobody for one that is not in use', async () => {
        await bench.admitted(draftOf('u1'))
        await bench.admitted(draftOf('u2'))
        const usage = await bench.ledger.usage(['units', 'unheard'])
        expect(usage.map(({ counter, inUse }) => [counter, inUse])).toEqual([
          ['units', 2],
          ['unheard', 0],
        ])
        expect(usage.map(({ holders }) => holders.map(({ id }) => id))).toEqual([['u1', 'u2'], []])
      })

      it('the record holds what was drafted, and who owns it', async () => {
        const draft = draftOf('u1', session, { childCount: 2, goals: ['x', 'y'], metadata: { ticket: 7 } })
        await bench.admitted(draft)
        const waiting = { state: 'waiting', result: null, checkpoint: null }
        expect(await bench.ledger.get('u1')).toMatchObject({
          ...draft,
          owner: 'a',
          state: 'running',
          slotHeld: true,
          admittedAt: bench.clock.now(),
          endedAt: null,
          children: [waiting, waiting],
        })
      })

      it('a second unit of the same id throws LEDGER_DUPLICATE and charges nothing', async () => {
        await bench.admitted(draftOf('u1'))
        await expect(bench.ledger.admit('a', draftOf('u1'), units(9))).rejects.toEqual(duplicate)
        expect(await bench.inUse()).toBe(1)
      })
    })

    describe('idempotency keys', () => {
      const key = { key: 'k', fingerprint: 'f', keepSeconds: 60 }
      const admitWithKey = (id: string, given = key, limit = manyLimit) =>
        bench.ledger.admit('a', draftOf(id), units(limit), given)

      it('same key, same work: the first handle, while it lives, after its end, and at full cap', async () => {
        const first = await admitWithKey('u1', key, 1)
        expect(await admitWithKey('u2', key, 1)).toEqual({ status: 'existing', id: 'u1' })
        await bench.ledger.settle((first as { hold: Hold }).hold, endOf(draftOf('u1')))
        expect(await admitWithKey('u3')).toEqual({ status: 'existing', id: 'u1' })
        expect(await bench.ledger.list(everything, null, { limit: 10 })).toHaveLength(1)
      })

      it('same key, other work: key_reused, and nothing is admitted', async () => {
        await admitWithKey('u1')
        expect(await admitWithKey('u2', { ...key, fingerprint: 'other' })).toEqual({
          status: 'key_reused',
          id: 'u1',
        })
        expect(await bench.ledger.get('u2')).toBeNull()
      })

      it('of 20 that race with one key exactly one is admitted', async () => {
        const admissions = await Promise.all(
          Array.from({ length: 20 }, (_, index) => admitWithKey(`u${index}`)),
        )
        expect(admissions.filter(({ status }) => status === 'admitted')).toHaveLength(1)
        expect(admissions.filter(({ status }) => status === 'existing')).toHaveLength(19)
        expect(await bench.inUse()).toBe(1)
      })

      it('a key lives for its time and no longer, by the clock, and pruning does not shorten it', async () => {
        await admitWithKey('u1')
        bench.clock.advance(59_999)
        await bench.ledger.prune()
        expect((await admitWithKey('u2')).status).toBe('existing')
        bench.clock.advance(1)
        expect((await admitWithKey('u3', { ...key, fingerprint: 'other' })).status).toBe('admitted')
      })

      it('a refused call does not take its key', async () => {
        expect((await admitWithKey('u1', key, 0)).status).toBe('refused')
        expect((await admitWithKey('u2')).status).toBe('admitted')
      })

      it('R18: a withdrawn call gives its key back', async () => {
        const admission = await admitWithKey('u1')
        await bench.ledger.withdraw((admission as { hold: Hold }).hold)
        expect((await admitWithKey('u2')).status).toBe('admitted')
      })
    })

    describe('withdraw', () => {
      it('R18, R10: leaves nothing: no record, no event, no charge; its id may be used again', async () => {
        const hold = await bench.admitted(draftOf('u1'))
        expect(await bench.ledger.withdraw(hold)).toBe(true)
        expect(await bench.ledger.get('u1')).toBeNull()
        expect(await bench.ledger.list(everything, null, { limit: 10 })).toEqual([])
        expect(await bench.statesOf()).toEqual({})
        expect(await bench.inUse()).toBe(0)
        await bench.admitted(draftOf('u1'))
      })

      it('P4: does nothing to a unit that has ended, and nothing twice', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        await bench.ledger.settle(hold, endOf(draft))
        expect(await bench.ledger.withdraw(hold)).toBe(false)
        expect((await bench.ledger.get('u1'))?.state).toBe('completed')
        const other = await bench.admitted(draftOf('u2'))
        expect(await bench.ledger.withdraw(other)).toBe(true)
        expect(await bench.ledger.withdraw(other)).toBe(false)
        expect(await bench.inUse()).toBe(0)
      })

      it('P4: what was withdrawn cannot be settled, and emits nothing', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        await bench.ledger.withdraw(hold)
        expect((await bench.ledger.settle(hold, endOf(draft))).won).toBe(false)
        expect(await bench.statesOf()).toEqual({})
      })
    })

    describe('record', () => {
      it("P5: a child's first result stays, whatever is recorded of it later", async () => {
        const hold = await bench.admitted(draftOf('u1', session, { childCount: 2 }))
        const patch = (index: number, state: string, summary: string) =>
          bench.ledger.record(hold, { child: { index, state, result: { summary } } })
        expect(await patch(1, 'completed', 'first')).toBe(true)
        await patch(1, 'error', 'second')
        await bench.ledger.record(hold, { child: { index: 1, state: 'running' } })
        expect((await bench.ledger.get('u1'))?.children).toEqual([
          { state: 'waiting', result: null, checkpoint: null },
          { state: 'completed', result: { summary: 'first' }, checkpoint: null },
        ])
      })

      it('P5: what was read is a value: what is recorded later does not change it', async () => {
        const hold = await bench.admitted(draftOf('u1', session, { childCount: 2 }))
        await bench.ledger.record(hold, { child: { index: 0, state: 'running' } })
        const before = await bench.ledger.get('u1')
        await bench.ledger.record(hold, {
          child: { index: 0, state: 'completed', result: { summary: 'done' } },
        })
        expect(before?.children[0]).toEqual({ state: 'running', result: null, checkpoint: null })
        expect((await bench.ledger.get('u1'))?.children[0]?.state).toBe('completed')
      })

      it('P5: recorded results are still there after the end of the unit', async () => {
        const draft = draftOf('u1', session, { childCount: 2 })
        const hold = await bench.admitted(draft)
        await bench.ledger.record(hold, {
          child: { index: 0, state: 'completed', result: { summary: 'kept' } },
        })
        await bench.ledger.settle(hold, endOf(draft, { state: 'timeout', cause: 'timeout' }))
        const [first] = (await bench.ledger.get('u1'))?.children ?? []
        expect(first?.result).toEqual({ summary: 'kept' })
      })

      it('the phase and the last checkpoint are those of the record', async () => {
        const hold = await bench.admitted(draftOf('u1'))
        await bench.ledger.record(hold, { phase: 'stalling' })
        await bench.ledger.record(hold, { child: { index: 0, state: 'running', checkpoint: { at: 1 } } })
        await bench.ledger.record(hold, { child: { index: 0, state: 'running', checkpoint: { at: 2 } } })
        await bench.ledger.record(hold, { phase: 'interrupting' })
        expect(await bench.ledger.get('u1')).toMatchObject({
          state: 'interrupting',
          children: [{ state: 'running', checkpoint: { at: 2 } }],
        })
      })

      it('P4: what comes after the end changes nothing, emits nothing, and is kept as late', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        await bench.ledger.settle(hold, endOf(draft))
        const before = await bench.ledger.get('u1')
        const late = { child: { index: 0, state: 'completed', result: { summary: 'too late' } } }
        expect(await bench.ledger.record(hold, late)).toBe(false)
        expect(await bench.ledger.get('u1')).toEqual({ ...before, late: [late] })
        expect(Object.keys(await bench.statesOf())).toEqual(['u1'])
      })

      it('P4: another result of a child that has one is kept as late while the unit still runs', async () => {
        const hold = await bench.admitted(draftOf('u1', session, { childCount: 2 }))
        const timedOut = { child: { index: 0, state: 'timeout', result: { summary: null } } }
        expect(await bench.ledger.record(hold, timedOut)).toBe(true)
        const before = await bench.ledger.get('u1')
        const late = { child: { index: 0, state: 'completed', result: { summary: 'too late' } } }
        expect(await bench.ledger.record(hold, late)).toBe(false)
        expect(await bench.ledger.get('u1')).toEqual({ ...before, late: [late] })
        const sibling = { child: { index: 1, state: 'completed', result: { summary: 'in time' } } }
        expect(await bench.ledger.record(hold, sibling)).toBe(true)
      })

      it('a unit that never was can be recorded by nobody', async () => {
        expect(await bench.ledger.record({ id: 'never', fence: 1 }, { phase: 'stalling' })).toBe(false)
        expect(await bench.ledger.get('never')).toBeNull()
      })
    })

    describe('settle', () => {
      it('P4: of 10 that race to settle one unit exactly one wins, and the first cause stays', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        const ends = await Promise.all(
          Array.from({ length: 10 }, (_, index) =>
            bench.ledger.settle(hold, endOf(draft, { state: `word${index}`, cause: `cause${index}` })),
          ),
        )
        expect(ends.filter(({ won }) => won)).toHaveLength(1)
        const winner = ends.findIndex(({ won }) => won)
        for (const end of ends) if (!end.won) expect(end.state).toBe(`word${winner}`)
        expect(await bench.ledger.get('u1')).toMatchObject({
          state: `word${winner}`,
          cause: `cause${winner}`,
        })
        expect(Object.keys(await bench.statesOf())).toEqual(['u1'])
      })

      it('P3, R3: the event is claimable as soon as the settle resolves, is what was settled, and has a position', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        expect(await bench.claimed()).toEqual([])
        const settled = await bench.ledger.settle(hold, endOf(draft))
        const [claim] = await bench.claimed()
        expect(claim?.eventId).toBe('u1')
        const { seq, ...event } = claim!.delivery.event
        expect(event).toEqual(eventOf(draft))
        expect(seq).toBe(claim!.delivery.seq)
        expect(settled).toEqual({ won: true, event: claim!.delivery.event, claim: null })
      })

      it('P3: `seq` rises from event to event', async () => {
        for (const id of ['u1', 'u2', 'u3']) await bench.ended(draftOf(id))
        const seqs = (await bench.claimed()).map(({ delivery }) => delivery.seq)
        expect(seqs).toHaveLength(3)
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b))
      })

      it('P3: with `claimedBy` the event is born claimed: no drain gets it, and its claim can be acked', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        const claimedBy = { consumer: 'a', leaseSeconds: 30 }
        const settled = await bench.ledger.settle(hold, endOf(draft, { claimedBy }))
        expect(settled).toMatchObject({ won: true, claim: { eventId: 'u1', until: bench.clock.now() + 30 } })
        expect(await bench.claimed()).toEqual([])
        expect(await bench.claimed(everything, 'b')).toEqual([])
        const { claim } = settled as { claim: Claim }
        expect(await bench.ledger.resolve([claim.token], ack)).toEqual([true])
        expect(await bench.statesOf()).toEqual({ u1: 'delivered' })
      })

      it('P3: an event that was born claimed is freed when its lease ends', async () => {
        const draft = draftOf('u1')
        const claimedBy = { consumer: 'a', leaseSeconds: 30 }
        await bench.ledger.settle(await bench.admitted(draft), endOf(draft, { claimedBy }))
        bench.clock.advance(30_000)
        expect(await bench.claimedIds(mine, 'b')).toEqual(['u1'])
      })

      it('P6: a kept slot stays charged, and named, until it is freed, once', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft, 'a', 1)
        await bench.ledger.settle(hold, endOf(draft, { slot: 'kept' }))
        expect((await bench.ledger.get('u1'))?.slotHeld).toBe(true)
        const admission = await bench.ledger.admit('a', draftOf('u2'), units(1))
        expect(admission.status).toBe('refused')
        expect((admission as unknown as { holders: { id: string }[] }).holders.map(({ id }) => id)).toEqual([
          'u1',
        ])
        await bench.ledger.freeSlot(hold)
        await bench.ledger.freeSlot(hold)
        expect((await bench.ledger.get('u1'))?.slotHeld).toBe(false)
        await bench.admitted(draftOf('u2'), 'a', 1)
        expect(await bench.inUse()).toBe(1)
      })

      it('P6: a slot that was given back before its end was recorded stays given back', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft, 'a', 1)
        await bench.ledger.freeSlot(hold)
        await bench.ledger.settle(hold, endOf(draft, { slot: 'kept' }))
        expect((await bench.ledger.get('u1'))?.slotHeld).toBe(false)
        expect(await bench.inUse()).toBe(0)
      })

      it('P3: an event whose id is taken cannot be settled, and the unit is as it was', async () => {
        await bench.ledger.publish('a', eventOf(draftOf('u1')))
        const draft = draftOf('u2')
        const hold = await bench.admitted(draft)
        const event = eventOf(draft, { event_id: 'u1' })
        await expect(bench.ledger.settle(hold, endOf(draft, { event }))).rejects.toEqual(duplicate)
        expect(await bench.ledger.get('u2')).toMatchObject({ state: 'running', slotHeld: true })
        expect((await bench.ledger.settle(hold, endOf(draft))).won).toBe(true)
      })
    })

    describe('take-over', () => {
      it('raises the fence: the old owner can write nothing, the new one everything', async () => {
        const draft = draftOf('u1')
        const old = await bench.admitted(draft)
        const taken = await bench.ledger.takeOver('a', 'b', 'all')
        expect(taken.map(({ unit }) => [unit.id, unit.owner])).toEqual([['u1', 'b']])
        const { hold } = taken[0]!
        expect(hold.fence).toBeGreaterThan(old.fence)

        expect(await bench.ledger.record(old, { phase: 'stalling' })).toBe(false)
        expect(await bench.ledger.withdraw(old)).toBe(false)
        expect((await bench.ledger.settle(old, endOf(draft, { state: 'error' }))).won).toBe(false)
        await bench.ledger.freeSlot(old)
        expect(await bench.ledger.get('u1')).toMatchObject({ state: 'running', slotHeld: true })
        expect(await bench.statesOf()).toEqual({})

        expect(await bench.ledger.record(hold, { phase: 'interrupting' })).toBe(true)
        expect((await bench.ledger.settle(hold, endOf(draft, { state: 'unknown' }))).won).toBe(true)
        expect(await bench.ledger.get('u1')).toMatchObject({ state: 'unknown', slotHeld: false })
      })

      it('of two that race one gets all units and the other none', async () => {
        await bench.ledger.join(ownerOf('c'))
        for (const id of ['u1', 'u2']) await bench.admitted(draftOf(id))
        const both = await Promise.all([
          bench.ledger.takeOver('a', 'b', 'all'),
          bench.ledger.takeOver('a', 'c', 'all'),
        ])
        expect(both.map((taken) => taken.length).sort()).toEqual([0, 2])
      })

      it("frees the dead owner's claims at no cost of attempts, and its token is worth nothing", async () => {
        await bench.ended(draftOf('u1'), 'b')
        const [lost] = await bench.claimed(mine, 'a')
        expect(await bench.claimed(mine, 'b')).toEqual([])
        await bench.ledger.takeOver('a', 'b', 'all')
        const [again] = await bench.claimed(mine, 'b')
        expect(again?.delivery.attempts).toBe(0)
        expect(await bench.ledger.resolve([lost!.token], ack)).toEqual([false])
        expect(await bench.ledger.resolve([again!.token], ack)).toEqual([true])
      })

      it('P6: gives back the slots that the dead owner kept', async () => {
        const draft = draftOf('u1')
        await bench.ledger.settle(await bench.admitted(draft), endOf(draft, { slot: 'kept' }))
        expect(await bench.inUse()).toBe(1)
        expect(await bench.ledger.takeOver('a', 'b', 'all')).toEqual([])
        expect(await bench.inUse()).toBe(0)
      })

      it('keeps what was recorded, and leaves the units of others alone', async () => {
        const hold = await bench.admitted(draftOf('u1'))
        const alive = await bench.admitted(draftOf('u2'), 'b')
        await bench.ledger.record(hold, {
          child: { index: 0, state: 'completed', result: { summary: 'kept' } },
        })
        const [taken] = await bench.ledger.takeOver('a', 'b', 'all')
        expect(taken?.unit.children[0]?.result).toEqual({ summary: 'kept' })
        expect(await bench.ledger.record(alive, { phase: 'stalling' })).toBe(true)
      })

      it('what it dispatched and did not deliver is `restored`; what a living one did is not', async () => {
        await bench.ended(draftOf('u1'))
        await bench.ended(draftOf('u2'), 'b')
        const before = await bench.ledger.deliveries(mine, ['pending'], { limit: 9 })
        expect(before.map(({ event }) => event.restored)).toEqual([undefined, undefined])
        await bench.ledger.takeOver('a', 'b', 'all')
        const claims = await bench.claimed(mine, 'b')
        expect(claims.map(({ eventId, delivery }) => [eventId, delivery.event.restored])).toEqual([
          ['u1', true],
          ['u2', undefined],
        ])
      })

      it('leaves what may be run again to one who adopts, and the dead owner with it', async () => {
        await bench.admitted(draftOf('plain'))
        await bench.admitted(draftOf('again', session, { onOwnerDeath: 'retry', work: { some: 'work' } }))
        const first = await bench.ledger.takeOver('a', 'b', 'unknown')
        expect(first.map(({ unit }) => unit.id)).toEqual(['plain'])
        expect((await bench.ledger.owners()).map(({ id }) => id).sort()).toEqual(['a', 'b'])
        const second = await bench.ledger.takeOver('a', 'b', 'all')
        expect(second.map(({ unit }) => [unit.id, unit.work])).toEqual([['again', { some: 'work' }]])
        expect((await bench.ledger.owners()).map(({ id }) => id)).toEqual(['b'])
      })

      it('the dead owner has left: it is not listed, and what it asks for throws LEDGER_UNKNOWN_OWNER', async () => {
        await bench.ledger.takeOver('a', 'b', 'all')
        expect((await bench.ledger.owners()).map(({ id }) => id)).toEqual(['b'])
        await expect(bench.ledger.admit('a', draftOf('u1'), units(9))).rejects.toEqual(unknownOwner)
        await expect(bench.ledger.heartbeat('a')).rejects.toEqual(unknownOwner)
      })
    })

    describe('ids', () => {
      it('name a unit with all its events, or one event', async () => {
        await bench.ended(draftOf('u1'))
        await bench.ledger.publish('a', eventOf(draftOf('u1'), { event_id: 'u1:1' }))
        await bench.ledger.publish('a', eventOf(draftOf('u2'), { event_id: 'u2:1' }))
        const named = async (id: string): Promise<string[]> =>
          (await bench.ledger.deliveries({ ids: [id] }, everyState, { limit: 9 })).map(
            ({ eventId }) => eventId,
          )
        expect(await named('u1')).toEqual(['u1', 'u1:1'])
        expect(await named('u1:1')).toEqual(['u1:1'])
        expect(await named('u2')).toEqual(['u2:1'])
        expect(await bench.claimedIds({ ids: ['u2:1'] })).toEqual(['u2:1'])
      })

      it('P8: those of events name these events alone, and nothing that waits to be collected', async () => {
        await bench.ended(draftOf('u1'))
        await bench.ended(draftOf('pulled', session, { delivery: 'collect' }))
        await bench.ledger.publish('a', eventOf(draftOf('u1', 'other'), { event_id: 'u1:1' }))
        const eventIds = ['pulled', 'u1']
        const read = await bench.ledger.deliveries({ eventIds }, everyState, { limit: 9 })
        expect(read.map(({ eventId }) => eventId)).toEqual(['u1', 'pulled'])
        expect(await bench.claimedIds({ eventIds })).toEqual(['u1'])
        expect(await bench.claimedIds({ eventIds: ['u1:1', 'unknown'] })).toEqual(['u1:1'])
        expect(await bench.claimedIds({ eventIds, pull: true })).toEqual(['pulled'])
        expect((await bench.ledger.list({ eventIds }, null, { limit: 9 })).map(({ id }) => id)).toEqual([
          'pulled',
          'u1',
        ])
      })
    })

    it('what was published to be collected goes to who names it, and is gone once it was taken', async () => {
      await bench.ledger.publish('a', eventOf(draftOf('p1')), 'collect')
      expect(await bench.claimedIds({ all: true })).toEqual([])
      expect(await bench.claimedIds({ sessionKey: session })).toEqual([])
      expect(await bench.ledger.waiting()).toEqual([])
      const { claims } = await bench.ledger.claim('a', { ids: ['p1'] }, 1, 60)
      expect(claims.map(({ eventId }) => eventId)).toEqual(['p1'])
      await bench.ledger.resolve([claims[0]!.token], { kind: 'ack' })
      expect(await bench.ledger.deliveries({ all: true }, everyState, { limit: 9 })).toEqual([])
    })

    describe('what waits', () => {
      const under = (parentSessionId: string) => ({
        route: { sessionKey: session, parentSessionId, originUiSessionId: '', originSessionId: '' },
      })

      it('P8: is told per session, parent and owner, with the time of the first and the place of the newest', async () => {
        expect(await bench.ledger.waiting()).toEqual([])
        await bench.ended(draftOf('u1'))
        await bench.ended(draftOf('u2'))
        await bench.ended(draftOf('u3', session, under('p')))
        await bench.ended(draftOf('u4', ''), 'b')
        await bench.ended(draftOf('u5', 'other', { delivery: 'collect' }))
        const [claim] = await bench.claimed({ ids: ['u1'] }, 'a', 30)
        const waiting = await bench.ledger.waiting()
        const common = { sessionKey: session, parentSessionId: null, dispatchedBy: 'a' }
        expect([...waiting].sort((a, b) => a.lastSeq - b.lastSeq)).toEqual([
          { ...common, dueAt: 0, lastSeq: 2 },
          { ...common, parentSessionId: 'p', dueAt: 0, lastSeq: 3 },
          { ...common, sessionKey: '', dispatchedBy: 'b', dueAt: 0, lastSeq: 4 },
        ])
        await bench.ledger.resolve([(await bench.claimed({ ids: ['u2'] }))[0]!.token], ack)
        const [first] = (await bench.ledger.waiting()).filter(({ lastSeq }) => lastSeq === 1)
        expect(first?.dueAt).toBe(claim?.until)
      })

      it('P8: a session under one parent is claimed apart from the others', async () => {
        await bench.ended(draftOf('u1'))
        await bench.ended(draftOf('u2', session, under('p')), 'b')
        expect(await bench.claimedIds({ sessionKey: session, parentSessionId: 'q' })).toEqual([])
        const ofB = { sessionKey: session, parentSessionId: 'p' }
        expect(await bench.claimedIds({ ...ofB, dispatchedBy: 'a' })).toEqual([])
        expect(await bench.claimedIds({ ...ofB, dispatchedBy: 'b' })).toEqual(['u2'])
        expect(await bench.claimedIds({ sessionKey: session, parentSessionId: null })).toEqual(['u1'])
        expect(await bench.claimedIds({ sessionKey: '', parentSessionId: null })).toEqual([])
      })

      it('is dropped with a reason, also while it is away; a claim decides itself', async () => {
        for (const id of ['u1', 'u2', 'u3']) await bench.ended(draftOf(id))
        const [claim] = await bench.claimed({ ids: ['u1'] })
        await bench.ledger.resolve([claim!.token], { kind: 'defer', forSeconds: 60 })
        await bench.claimed({ ids: ['u2'] })
        const dropped = await bench.ledger.drop(['u1', 'u2', 'u3', 'unknown'], 'the session was reset')
        expect(dropped).toEqual([true, false, true, false])
        expect(await bench.statesOf()).toEqual({ u1: 'dropped', u2: 'claimed', u3: 'dropped' })
        const [first] = await bench.ledger.deliveries(mine, ['dropped'], { limit: 1 })
        expect(first?.reason).toBe('the session was reset')
        expect(await bench.ledger.drop(['u1'], 'again')).toEqual([false])
      })
    })

    describe('a unit that is there to be collected', () => {
      const pulled = draftOf('u1', session, { delivery: 'collect' })

      it('no session gets its event; who names it does, once', async () => {
        await bench.ended(pulled)
        expect(await bench.claimedIds(mine)).toEqual([])
        expect(await bench.claimedIds(everything)).toEqual([])
        const [claim] = await bench.claimed({ ids: ['u1'] })
        expect(claim?.eventId).toBe('u1')
        expect(await bench.ledger.resolve([claim!.token], ack)).toEqual([true])
        expect(await bench.statesOf()).toEqual({})
      })

      it('leaves the outbox when it is collected; the unit stays', async () => {
        await bench.ended(pulled)
        expect(await bench.ledger.collect('u1')).toBe(true)
        expect(await bench.statesOf()).toEqual({})
        expect(await bench.ledger.get('u1')).toMatchObject({ state: 'completed' })
        expect(await bench.ledger.collect('u1')).toBe(false)
      })
    })

    describe('a unit whose event is for its parent alone', () => {
      const nested = draftOf('nested', session, { slotKey: 'parent', parentId: 'parent', delivery: 'none' })

      it('settles once, like any other, and leaves nothing in the outbox, claimed or not', async () => {
        await bench.admitted(draftOf('parent'))
        const hold = await bench.admitted(nested)
        const claimedBy = { consumer: 'a', leaseSeconds: 60 }
        expect(await bench.ledger.settle(hold, endOf(nested, { claimedBy }))).toMatchObject({
          won: true,
          claim: null,
          event: { event_id: 'nested' },
        })
        expect((await bench.ledger.settle(hold, endOf(nested))).won).toBe(false)
        expect(await bench.statesOf()).toEqual({})
        expect(await bench.claimedIds(everything)).toEqual([])
        expect(await bench.ledger.get('nested')).toMatchObject({ state: 'completed', parentId: 'parent' })
      })

      it('is found by its parent, live or ended; holders name the parent', async () => {
        await bench.admitted(draftOf('other'))
        await bench.admitted(draftOf('parent'))
        const hold = await bench.admitted(nested)
        const below = async (live: boolean | null, parentId = 'parent') =>
          (await bench.ledger.list({ parentId }, live, { limit: 9 })).map(({ id }) => id)
        expect(await below(true)).toEqual(['nested'])
        expect(await below(null, 'other')).toEqual([])
        const [use] = await bench.ledger.usage(['units'])
        expect(use?.holders.map(({ id, parentId }) => [id, parentId])).toEqual([
          ['other', null],
          ['parent', null],
          ['nested', 'parent'],
        ])
        await bench.ledger.settle(hold, endOf(nested))
        expect(await below(true)).toEqual([])
        expect(await below(false)).toEqual(['nested'])
        expect(await bench.claimedIds({ parentId: 'parent' })).toEqual([])
        expect(await bench.ledger.deliveries({ parentId: 'parent' }, everyState, { limit: 9 })).toEqual([])
      })
    })

    describe('owners and interrupts', () => {
      it('P6: how an interrupt went is recorded, after the end as well, but not under an old fence', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        const report = { requestId: 'r1', signalled: 1, stopped: 1, escalated: 0, unreachable: 0 }
        await bench.ledger.settle(hold, endOf(draft))
        await bench.ledger.record(hold, { interruptReport: report })
        await bench.ledger.record(
          { ...hold, fence: hold.fence + 1 },
          { interruptReport: { ...report, requestId: 'r2' } },
        )
        expect((await bench.ledger.get('u1'))?.interruptReports).toEqual([report])
        expect((await bench.ledger.get('u1'))?.late).toEqual([])
      })

      it('whoever has not joined throws LEDGER_UNKNOWN_OWNER and changes nothing', async () => {
        await bench.ended(draftOf('u1'))
        const { ledger } = bench
        for (const attempt of [
          () => ledger.heartbeat('nobody'),
          () => ledger.admit('nobody', draftOf('u2'), units(9)),
          () => ledger.takeOver('a', 'nobody', 'all'),
          () => ledger.publish('nobody', eventOf(draftOf('u3'))),
          () => ledger.claim('nobody', mine, 1, 60),
        ]) {
          await expect(attempt()).rejects.toEqual(unknownOwner)
        }
        expect(await ledger.get('u2')).toBeNull()
        expect(await bench.statesOf()).toEqual({ u1: 'pending' })
      })

      it('a heartbeat is seen by the clock', async () => {
        bench.clock.advance(5_000)
        await bench.ledger.heartbeat('b')
        const seen = Object.fromEntries((await bench.ledger.owners()).map(({ id, seenAt }) => [id, seenAt]))
        expect(seen).toEqual({ a: 0, b: bench.clock.now() })
      })

      it("an interrupt reaches the owner's heartbeat for the live units that match, and for no others", async () => {
        const request = { requestId: 'r1', child: null, reason: 'enough', graceMs: 50 }
        const live = await bench.admitted(draftOf('u1'))
        await bench.admitted(draftOf('u2', 'agent:main:cli:dm:other'))
        await bench.ended(draftOf('u3'))
        const asked = await bench.ledger.requestInterrupt(mine, request)
        expect(asked.map(({ id }) => id)).toEqual(['u1'])
        expect(await bench.ledger.heartbeat('b')).toEqual([])
        expect(await bench.ledger.heartbeat('a')).toEqual([
          { ...request, unitId: 'u1', at: bench.clock.now() },
        ])
        await bench.ledger.settle(live, endOf(draftOf('u1')))
        expect(await bench.ledger.heartbeat('a')).toEqual([])
      })

      it('several interrupts of one unit, of single children too, wait side by side, each until it was answered', async () => {
        const { ledger } = bench
        const hold = await bench.admitted(draftOf('u1', session, { childCount: 3, goals: ['x', 'y', 'z'] }))
        const ask = (requestId: string, child: number | null) =>
          ledger.requestInterrupt(mine, { requestId, child, reason: 'enough', graceMs: 50 })
        const waiting = async () =>
          (await ledger.heartbeat('a')).map(({ requestId, child }) => [requestId, child])
        await Promise.all([ask('r1', 2), ask('r2', 0), ask('r3', null)])
        expect(await waiting()).toEqual([
          ['r1', 2],
          ['r2', 0],
          ['r3', null],
        ])
        const went = { signalled: 1, stopped: 1, escalated: 0, unreachable: 0 }
        await ledger.record(hold, { interruptReport: { requestId: 'r2', ...went } })
        await ledger.record(hold, { interruptReport: { requestId: 'r1', ...went } })
        expect(await waiting()).toEqual([['r3', null]])
        const known = await ledger.get('u1')
        expect(known?.interrupts.map(({ requestId }) => requestId)).toEqual(['r3'])
        expect(known?.interruptReports.map(({ requestId }) => requestId)).toEqual(['r2', 'r1'])
      })
    })

    describe('claims', () => {
      it('come in order of `seq`, up to the limit, each to one consumer only', async () => {
        const ids = ['u1', 'u2', 'u3', 'u4', 'u5']
        for (const id of ids) await bench.ended(draftOf(id))
        const first = await bench.ledger.claim('a', mine, 2, 300)
        expect(first.claims.map(({ eventId }) => eventId)).toEqual(['u1', 'u2'])
        expect(await bench.claimedIds(mine, 'b')).toEqual(['u3', 'u4', 'u5'])
        expect(await bench.claimedIds(mine, 'b')).toEqual([])
      })

      it('P3: of 10 consumers that race for 5 events each event goes to exactly one', async () => {
        for (let index = 0; index < 5; index += 1) await bench.ended(draftOf(`u${index}`))
        const all = await Promise.all(Array.from({ length: 10 }, () => bench.ledger.claim('a', mine, 2, 300)))
        const ids = all.flatMap(({ claims }) => claims.map(({ eventId }) => eventId))
        expect(ids.sort()).toEqual(['u0', 'u1', 'u2', 'u3', 'u4'])
      })

      it('P3: what was acked never comes again', async () => {
        await bench.ended(draftOf('u1'))
        const [claim] = await bench.claimed()
        expect(await bench.ledger.resolve([claim!.token], ack)).toEqual([true])
        bench.clock.advance(10 * 24 * 3600_000)
        expect(await bench.claimed(everything)).toEqual([])
        expect(await bench.ledger.resolve([claim!.token], ack)).toEqual([false])
        expect(await bench.statesOf()).toEqual({ u1: 'delivered' })
      })

      it('one verdict resolves many claims, and says of each whether it held', async () => {
        await bench.ended(draftOf('u1'))
        await bench.ended(draftOf('u2'))
        const [one, two] = await bench.claimed()
        await bench.ledger.resolve([one!.token], ack)
        const tokens = [one!.token, two!.token, 'never given']
        expect(await bench.ledger.resolve(tokens, ack)).toEqual([false, true, false])
      })

      it('P3: a lease that ends frees the event and costs an attempt; the old token is lost', async () => {
        await bench.ended(draftOf('u1'))
        const { claims } = await bench.ledger.claim('a', mine, 1, 10)
        bench.clock.advance(9_999)
        const early = await bench.ledger.claim('b', mine, 1, 10)
        expect(early).toEqual({ claims: [], nextAt: claims[0]!.until })
        bench.clock.advance(1)
        const [again] = await bench.claimed(mine, 'b')
        expect(again?.delivery).toMatchObject({ eventId: 'u1', attempts: 1 })
        expect(await bench.ledger.resolve([claims[0]!.token], ack)).toEqual([false])
        expect(await bench.ledger.resolve([again!.token], ack)).toEqual([true])
      })

      it('a token whose lease has ended resolves nothing, even if nobody else has claimed since', async () => {
        await bench.ended(draftOf('u1'))
        const [claim] = await bench.claimed(mine, 'a', 10)
        bench.clock.advance(10_000)
        expect(await bench.ledger.resolve([claim!.token], ack)).toEqual([false])
        expect(await bench.claimedIds()).toEqual(['u1'])
      })

      it('renew: the lease runs from now on', async () => {
        await bench.ended(draftOf('u1'))
        const [claim] = await bench.claimed(mine, 'a', 10)
        bench.clock.advance(9_000)
        expect(await bench.ledger.resolve([claim!.token], { kind: 'renew', leaseSeconds: 10 })).toEqual([
          true,
        ])
        bench.clock.advance(9_000)
        expect(await bench.claimed(mine, 'b')).toEqual([])
        expect(await bench.ledger.resolve([claim!.token], ack)).toEqual([true])
      })

      it('release: costs an attempt, says why, and backs off 1 s, 2 s, 4 s', async () => {
        await bench.ended(draftOf('u1'))
        for (const [attempt, seconds] of [1, 2, 4].entries()) {
          const [claim] = await bench.claimed()
          expect(claim?.delivery.attempts).toBe(attempt)
          await bench.ledger.resolve([claim!.token], { kind: 'release', error: `failed ${attempt}` })
          const until = bench.clock.now() + seconds
          expect(await bench.ledger.claim('b', mine, 1, 60)).toEqual({ claims: [], nextAt: until })
          const [delivery] = await bench.ledger.deliveries(mine, ['pending'], { limit: 1 })
          expect(delivery).toMatchObject({
            reason: `failed ${attempt}`,
            attempts: attempt + 1,
            availableAt: until,
          })
          bench.clock.advance(seconds * 1000)
        }
        expect(await bench.claimedIds()).toEqual(['u1'])
      })

      it('defer: costs no attempt, and the event is away for as long as was asked', async () => {
        await bench.ended(draftOf('u1'))
        const [claim] = await bench.claimed()
        await bench.ledger.resolve([claim!.token], { kind: 'defer', forSeconds: 3 })
        bench.clock.advance(2_999)
        expect(await bench.ledger.claim('b', mine, 1, 60)).toMatchObject({ claims: [] })
        bench.clock.advance(1)
        const [again] = await bench.claimed()
        expect(again?.delivery.attempts).toBe(0)
        expect(await bench.ledger.resolve([claim!.token], ack)).toEqual([false])
      })

      it('drop: the target is gone for good, with the reason; nothing brings it back but an operator', async () => {
        await bench.ended(draftOf('u1'))
        const [claim] = await bench.claimed()
        await bench.ledger.resolve([claim!.token], { kind: 'drop', reason: 'the session was reset' })
        bench.clock.advance(3_600_000)
        expect(await bench.claimed(everything)).toEqual([])
        const [dropped] = await bench.ledger.deliveries(mine, ['dropped'], { limit: 9 })
        expect(dropped).toMatchObject({ eventId: 'u1', reason: 'the session was reset' })
        expect(await bench.ledger.reopen(['u1'], 'pending')).toEqual([true])
        expect(await bench.claimedIds()).toEqual(['u1'])
      })

      it('P3: what waits is claimed even when the wall clock was set back since', async () => {
        for (const id of ['u1', 'u2']) await bench.ledger.publish('a', eventOf(draftOf(id)))
        const { claims } = await bench.ledger.claim('a', { ids: ['u2'] }, 1, 30)
        await bench.ledger.resolve([claims[0]!.token], { kind: 'defer', forSeconds: 0 })
        bench.clock.setBack(3_600_000)
        expect(await bench.claimedIds(mine, 'b')).toEqual(['u1', 'u2'])
      })

      it('P3: what was deferred, or backs off, waits no longer when the wall clock was set back since', async () => {
        for (const id of ['u1', 'u2', 'u3']) await bench.ended(draftOf(id))
        const [u1, u2, u3] = await bench.claimed()
        await bench.ledger.resolve([u1!.token], { kind: 'defer', forSeconds: 600 })
        await bench.ledger.resolve([u2!.token], { kind: 'release', error: 'no' })
        bench.clock.setBack(3_600_000)
        await bench.ledger.resolve([u3!.token], { kind: 'defer', forSeconds: 600 })
        expect(await bench.claimedIds(mine, 'b')).toEqual(['u1', 'u2'])
        bench.clock.advance(600_000)
        expect(await bench.claimedIds({ eventIds: ['u3'] }, 'b')).toEqual(['u3'])
      })

      it('P3: a lease begins anew when the wall clock was set back since: it holds, and it ends', async () => {
        for (const id of ['u1', 'u2']) await bench.ended(draftOf(id))
        const [hung, alive] = await bench.claimed(mine, 'a', 30)
        bench.clock.setBack(3_600_000)
        expect(await bench.claimedIds(mine, 'b')).toEqual([])
        expect(await bench.ledger.resolve([alive!.token], ack)).toEqual([true])
        bench.clock.advance(29_999)
        expect(await bench.claimedIds(mine, 'b')).toEqual([])
        bench.clock.advance(1)
        const [again] = await bench.claimed(mine, 'b')
        expect(again).toMatchObject({ eventId: 'u1', delivery: { attempts: 1 } })
        expect(await bench.ledger.resolve([hung!.token], ack)).toEqual([false])
      })

      it('P3: after `maxAttempts` an event is dead, kept, and seen by the operator', async () => {
        bench = await openBench({ maxAttempts: 2 })
        await bench.ended(draftOf('u1'))
        for (const error of ['first', 'second']) {
          const [claim] = await bench.claimed()
          await bench.ledger.resolve([claim!.token], { kind: 'release', error })
          bench.clock.advance(10_000)
        }
        expect(await bench.claimed()).toEqual([])
        const [dead] = await bench.ledger.deliveries(everything, ['dead'], { limit: 9 })
        expect(dead).toMatchObject({
          eventId: 'u1',
          attempts: 2,
          reason: 'second',
          event: { summary: 'summary of u1' },
        })
      })

      it('P3: a hung consumer uses attempts up as a failing one does', async () => {
        bench = await openBench({ maxAttempts: 2 })
        await bench.ended(draftOf('u1'))
        for (let attempt = 0; attempt < 2; attempt += 1) {
          expect(await bench.claimedIds()).toEqual(['u1'])
          bench.clock.advance(300_000)
        }
        expect(await bench.claimed()).toEqual([])
        expect(await bench.statesOf()).toEqual({ u1: 'dead' })
      })

      it('an event older than the replay limit is dead, not replayed', async () => {
        bench = await openBench({ maxAgeSeconds: 60 })
        await bench.ended(draftOf('u1'))
        bench.clock.advance(60_000)
        const [claim] = await bench.claimed()
        await bench.ledger.resolve([claim!.token], { kind: 'defer', forSeconds: 0 })
        bench.clock.advance(1)
        expect(await bench.claimed()).toEqual([])
        const [dead] = await bench.ledger.deliveries(everything, ['dead'], { limit: 9 })
        expect(dead).toMatchObject({ eventId: 'u1', reason: 'expired' })
      })

      it('reopen: a dead event is pending again with fresh attempts', async () => {
        bench = await openBench({ maxAttempts: 1 })
        await bench.ended(draftOf('u1'))
        const [claim] = await bench.claimed()
        await bench.ledger.resolve([claim!.token], { kind: 'release', error: 'no' })
        expect(await bench.ledger.reopen(['u1', 'never'], 'pending')).toEqual([true, false])
        const [again] = await bench.claimed()
        expect(again?.delivery).toMatchObject({ eventId: 'u1', attempts: 0 })
      })

      it('what is there to be collected has no replay limit: it waits for who names it', async () => {
        bench = await openBench({ maxAgeSeconds: 60 })
        await bench.ended(draftOf('u1', session, { delivery: 'collect' }))
        bench.clock.advance(61_000)
        const [waiting] = await bench.ledger.deliveries({ ids: ['u1'] }, ['pending'], { limit: 9 })
        expect(waiting?.eventId).toBe('u1')
        expect(await bench.claimedIds({ ids: ['u1'] })).toEqual(['u1'])
      })

      it('reopen: an expired event is pending again, with a replay limit of its own', async () => {
        bench = await openBench({ maxAgeSeconds: 60 })
        await bench.ended(draftOf('u1'))
        bench.clock.advance(61_000)
        expect(await bench.claimed()).toEqual([])
        expect(await bench.ledger.reopen(['u1'], 'pending')).toEqual([true])
        expect(await bench.claimedIds()).toEqual(['u1'])
      })

      it('reopen keeps the order of `seq`', async () => {
        for (const id of ['u1', 'u2', 'u3']) await bench.ended(draftOf(id))
        const [first] = (await bench.ledger.claim('a', mine, 1, 60)).claims
        await bench.ledger.resolve([first!.token], { kind: 'drop', reason: 'gone' })
        await bench.ledger.reopen(['u1'], 'pending')
        expect(await bench.claimedIds()).toEqual(['u1', 'u2', 'u3'])
      })

      it('dismissed for good: never claimed and not to be reopened; what is open cannot be dismissed', async () => {
        await bench.ended(draftOf('u1'))
        expect(await bench.ledger.reopen(['u1'], 'dismissed')).toEqual([false])
        const [claim] = await bench.claimed()
        await bench.ledger.resolve([claim!.token], { kind: 'drop', reason: 'gone' })
        expect(await bench.ledger.reopen(['u1'], 'dismissed')).toEqual([true])
        expect(await bench.ledger.reopen(['u1'], 'pending')).toEqual([false])
        expect(await bench.claimed(everything)).toEqual([])
        expect(
          await bench.ledger.deliveries(everything, ['pending', 'dead', 'dropped'], { limit: 9 }),
        ).toEqual([])
      })
    })

    describe('selectors', () => {
      const other = 'agent:main:telegram:group:-100:7'
      const route = (sessionKey: string, parentSessionId: string | null, originUiSessionId: string) => ({
        route: { sessionKey, parentSessionId, originUiSessionId, originSessionId: '' },
      })

      it('P8: a foreign session gets nothing: no claim, no delivery, no unit', async () => {
        await bench.ended(draftOf('u1'))
        const foreign: Select = { sessionKey: other }
        expect(await bench.claimed(foreign)).toEqual([])
        expect(await bench.ledger.deliveries(foreign, everyState, { limit: 9 })).toEqual([])
        expect(await bench.ledger.list(foreign, null, { limit: 9 })).toEqual([])
        expect(
          await bench.ledger.requestInterrupt(foreign, {
            requestId: 'r',
            child: null,
            reason: 'r',
            graceMs: 0,
          }),
        ).toEqual([])
        expect(await bench.claimedIds()).toEqual(['u1'])
      })

      it('P8, R20: an empty session key proves nothing without the dispatcher', async () => {
        await bench.ended(draftOf('u1', ''), 'a')
        expect(await bench.claimed({ sessionKey: '' })).toEqual([])
        expect(await bench.ledger.list({ sessionKey: '' }, null, { limit: 9 })).toEqual([])
        expect(await bench.claimed({ sessionKey: '', dispatchedBy: 'b' }, 'b')).toEqual([])
        expect(await bench.claimedIds({ sessionKey: '', dispatchedBy: 'a' })).toEqual(['u1'])
      })

      it('P8: after a take-over an event with an empty key still belongs to who dispatched it, or to `all`', async () => {
        const draft = draftOf('u1', '')
        await bench.admitted(draft, 'a')
        const [taken] = await bench.ledger.takeOver('a', 'b', 'all')
        await bench.ledger.settle(taken!.hold, endOf(draft))
        expect(await bench.claimed({ sessionKey: '', dispatchedBy: 'b' }, 'b')).toEqual([])
        expect(await bench.claimedIds(everything, 'b')).toEqual(['u1'])
      })

      it.each<[string, Select, string[]]>([
        ['parentSessionId', { parentSessionId: 'p1' }, ['u1']],
        ['an empty parentSessionId', { parentSessionId: '' }, []],
        ['originUiSessionId', { originUiSessionId: 'tab2' }, ['u2']],
        ['an empty originUiSessionId', { originUiSessionId: '' }, []],
        ['dispatchedBy', { dispatchedBy: 'b' }, ['u3']],
        ['ids', { ids: ['u3', 'never', 'u1'] }, ['u1', 'u3']],
        ['no ids', { ids: [] }, []],
        ['sessionKey', { sessionKey: other }, ['u2', 'u3']],
        ['sessionKey of one dispatcher', { sessionKey: other, dispatchedBy: 'a' }, ['u2']],
        ['all', { all: true }, ['u1', 'u2', 'u3']],
      ])(
        'P8: %s selects what it proves, for units, deliveries and claims alike',
        async (_name, select, ids) => {
          await bench.ended(draftOf('u1', session, route(session, 'p1', 'tab1')))
          await bench.ended(draftOf('u2', other, route(other, 'p2', 'tab2')))
          await bench.ended(draftOf('u3', other, route(other, null, '')), 'b')
          const found = await bench.ledger.list(select, null, { limit: 9 })
          expect(found.map(({ id }) => id)).toEqual([...ids].reverse())
          const deliveries = await bench.ledger.deliveries(select, everyState, { limit: 9 })
          expect(deliveries.map(({ eventId }) => eventId)).toEqual(ids)
          expect(await bench.claimedIds(select)).toEqual(ids)
        },
      )
    })

    describe('reading', () => {
      it('list: newest first, live or ended or both, up to the limit; an unknown id is null', async () => {
        await bench.ended(draftOf('u1'))
        bench.clock.advance(1)
        await bench.admitted(draftOf('u2'))
        bench.clock.advance(1)
        await bench.ended(draftOf('u3'))
        const ids = async (live: boolean | null, limit = 9): Promise<string[]> =>
          (await bench.ledger.list(everything, live, { limit })).map(({ id }) => id)
        expect(await ids(null)).toEqual(['u3', 'u2', 'u1'])
        expect(await ids(true)).toEqual(['u2'])
        expect(await ids(false)).toEqual(['u3', 'u1'])
        expect(await ids(null, 2)).toEqual(['u3', 'u2'])
        expect(await bench.ledger.get('never')).toBeNull()
      })

      it('deliveries: in order of `seq`, after a position, of the states asked for, and marks nothing', async () => {
        for (const id of ['u1', 'u2', 'u3', 'u4']) await bench.ended(draftOf(id))
        const [first, second] = await bench.ledger.deliveries(mine, ['pending'], { limit: 2 })
        expect([first?.eventId, second?.eventId]).toEqual(['u1', 'u2'])
        const rest = await bench.ledger.deliveries(mine, ['pending'], { afterSeq: second!.seq, limit: 9 })
        expect(rest.map(({ eventId }) => eventId)).toEqual(['u3', 'u4'])
        expect(await bench.ledger.deliveries(mine, ['claimed', 'dead'], { limit: 9 })).toEqual([])
        expect(await bench.claimedIds()).toEqual(['u1', 'u2', 'u3', 'u4'])
      })

      it('collect: delivers by pull, so that no drain gets it', async () => {
        await bench.ended(draftOf('u1'))
        expect(await bench.ledger.collect('u1')).toBe(true)
        expect(await bench.claimed(everything)).toEqual([])
        expect(await bench.statesOf()).toEqual({ u1: 'delivered' })
        expect(await bench.ledger.collect('never')).toBe(false)
      })

      it('collect: a live claim of somebody else stands; one whose lease has ended does not', async () => {
        await bench.ended(draftOf('u1'))
        await bench.claimed(mine, 'b', 10)
        expect(await bench.ledger.collect('u1')).toBe(false)
        expect(await bench.statesOf()).toEqual({ u1: 'claimed' })
        bench.clock.advance(10_000)
        expect(await bench.ledger.collect('u1')).toBe(true)
        expect(await bench.statesOf()).toEqual({ u1: 'delivered' })
      })
    })

    describe('publish', () => {
      it("R3: the host's own events travel on the same rail, in the same order", async () => {
        await bench.ended(draftOf('u1'))
        const seq = await bench.ledger.publish('a', eventOf(draftOf('notice')))
        await bench.ended(draftOf('u2'))
        const claims = await bench.claimed()
        expect(claims.map(({ eventId }) => eventId)).toEqual(['u1', 'notice', 'u2'])
        expect(claims[1]?.delivery.seq).toBe(seq)
      })

      it('P3: a duplicate throws LEDGER_DUPLICATE, and the first stays', async () => {
        await bench.ledger.publish('a', eventOf(draftOf('n1'), { goal: 'first' }))
        await expect(bench.ledger.publish('b', eventOf(draftOf('n1'), { goal: 'second' }))).rejects.toEqual(
          duplicate,
        )
        expect((await bench.claimed()).map(({ delivery }) => delivery.event.goal)).toEqual(['first'])
      })
    })

    describe('subscribe', () => {
      it('hints at an admission, a record, an end and a release, until it is taken back', async () => {
        let wake: () => void = () => undefined
        const hint = (): Promise<void> => new Promise((resolve) => (wake = resolve))
        let hints = 0
        const unsubscribe = bench.ledger.subscribe(() => {
          hints += 1
          wake()
        })
        const draft = draftOf('u1')
        let hinted = hint()
        const hold = await bench.admitted(draft)
        await hinted
        hinted = hint()
        await bench.ledger.record(hold, { phase: 'stalling' })
        await hinted
        hinted = hint()
        await bench.ledger.settle(hold, endOf(draft))
        await hinted
        const [claim] = await bench.claimed()
        hinted = hint()
        await bench.ledger.resolve([claim!.token], { kind: 'release', error: 'no' })
        await hinted
        unsubscribe()
        const before = hints
        const other = new Promise<void>((resolve) => bench.ledger.subscribe(resolve))
        await bench.ended(draftOf('u2'))
        await other
        expect(hints).toBe(before)
      })

      it('P7: one that throws keeps no hint from the others, and fails no write', async () => {
        bench.ledger.subscribe(() => {
          throw new Error('could not take it')
        })
        const hinted = new Promise<void>((resolve) => bench.ledger.subscribe(resolve))
        await bench.admitted(draftOf('u1'))
        await hinted
      })

      it('a freed slot is hinted at: who waits for one is woken (P1)', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        await bench.ledger.settle(hold, endOf(draft, { slot: 'kept' }))
        const hinted = new Promise<void>((resolve) => bench.ledger.subscribe(resolve))
        await bench.ledger.freeSlot(hold)
        await hinted
      })
    })

    describe('retention', () => {
      const endAndAck = async (id: string): Promise<void> => {
        await bench.ended(draftOf(id))
        const [claim] = await bench.claimed({ ids: [id] })
        await bench.ledger.resolve([claim!.token], ack)
        bench.clock.advance(1_000)
      }
      const listed = async (live: boolean | null): Promise<string[]> =>
        (await bench.ledger.list(everything, live, { limit: manyLimit })).map(({ id }) => id)

      it('R38: live units and units that hold a slot are never pruned', async () => {
        await bench.admitted(draftOf('live'))
        const kept = draftOf('kept')
        const hold = await bench.admitted(kept)
        await bench.ledger.settle(hold, endOf(kept, { slot: 'kept' }))
        for (let index = 0; index < 60; index += 1) await endAndAck(`u${index}`)
        bench.clock.advance(30 * 24 * 3600 * 1000)
        await bench.ledger.prune()
        expect(await bench.ledger.get('u0')).toBeNull()
        expect(await listed(true)).toEqual(['live'])
        expect((await bench.ledger.get('kept'))?.slotHeld).toBe(true)
      })

      it('R38, P3: pending, claimed and dead deliveries are never pruned', async () => {
        bench = await openBench({ maxAttempts: 1 })
        for (let index = 0; index < 60; index += 1) await bench.ended(draftOf(`u${index}`))
        const [dead, held] = (await bench.ledger.claim('a', mine, 2, 3600)).claims
        await bench.ledger.resolve([dead!.token], { kind: 'release', error: 'no' })
        for (let index = 60; index < 120; index += 1) await bench.ended(draftOf(`u${index}`))
        await bench.ledger.prune()
        const states = await bench.statesOf()
        expect(Object.keys(states)).toHaveLength(120)
        expect([states['u0'], states['u1'], states['u2']]).toEqual(['dead', 'claimed', 'pending'])
        expect(await bench.ledger.resolve([held!.token], ack)).toEqual([true])
        expect(await bench.claimedIds()).toHaveLength(118)
      })
    })

    describe('close', () => {
      it('a closed ledger throws LEDGER_CLOSED, whatever is asked of it', async () => {
        const draft = draftOf('u1')
        const hold = await bench.admitted(draft)
        const { ledger } = bench
        await ledger.close()
        const calls: readonly (() => Promise<unknown>)[] = [
          () => ledger.join(ownerOf('c')),
          () => ledger.heartbeat('a'),
          () => ledger.admit('a', draftOf('u2'), units(9)),
          () => ledger.withdraw(hold),
          () => ledger.record(hold, { phase: 'stalling' }),
          () => ledger.settle(hold, endOf(draft)),
          () => ledger.freeSlot(hold),
          () => ledger.requestInterrupt(everything, { requestId: 'r', child: null, reason: 'r', graceMs: 0 }),
          () => ledger.owners(),
          () => ledger.takeOver('a', 'b', 'all'),
          () => ledger.publish('a', eventOf(draft)),
          () => ledger.claim('a', mine, 1, 60),
          () => ledger.resolve(['t'], ack),
          () => ledger.collect('u1'),
          () => ledger.reopen(['u1'], 'pending'),
          () => ledger.get('u1'),
          () => ledger.list(everything, null, { limit: 9 }),
          () => ledger.deliveries(everything, everyState, { limit: 9 }),
          () => ledger.usage(['units']),
          () => ledger.prune(),
        ]
        for (const call of calls) await expect(call(), String(call)).rejects.toEqual(closedError)
      })

      it('closing twice is closing once', async () => {
        await bench.ledger.close()
        await bench.ledger.close()
      })
    })
  })
}
