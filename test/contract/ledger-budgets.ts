/** What every ledger promises of budgets: counters that are spent, and not given back with a slot. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.js'
import type { Admission, Charge, ChildUsage, Hold, Spent, UsageQuery } from '../../src/ledger/shapes.js'
import { createManualClock, type ManualClock } from '../support/manual-clock.js'
import { draftOf, endOf, ownerOf, type OpenLedger } from './ledger.js'

const slot = (limit = 100): Charge => ({ counter: 'units', amount: 1, limit, atSettle: 'release' })
const spawns = (amount: number, limit: number): Charge => ({
  counter: 'spawns',
  amount,
  limit,
  atSettle: 'keep',
})
const tokens = (amount: number, limit: number): Charge => ({
  counter: 'tokens',
  amount,
  limit,
  atSettle: 'actual',
})

/** One suite for every `Ledger`. */
export function ledgerBudgetsContract(name: string, open: OpenLedger): void {
  describe(`${name} keeps the contract of budgets:`, () => {
    let ledger: Ledger
    let clock: ManualClock
    const opened: Ledger[] = []

    async function openNew(): Promise<Ledger> {
      clock = createManualClock()
      const made = await open({ clock, random: () => 0.5 })
      opened.push(made)
      await made.join(ownerOf('a'))
      await made.join(ownerOf('b'))
      return made
    }

    beforeEach(async () => {
      ledger = await openNew()
    })
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((each) => each.close()))
    })

    async function admitted(id: string, charges: readonly Charge[], slotKey = id): Promise<Hold> {
      const admission = await ledger.admit('a', draftOf(id, 's', { slotKey }), charges)
      if (admission.status !== 'admitted') throw new Error(`${id} was ${admission.status}`)
      return admission.hold
    }

    async function settled(
      id: string,
      hold: Hold,
      actual?: readonly { readonly counter: string; readonly amount: number }[],
    ): Promise<readonly Spent[]> {
      const end = endOf(draftOf(id, 's'), actual === undefined ? {} : { actual })
      const outcome = await ledger.settle(hold, end)
      if (!outcome.won) throw new Error(`${id} had ended`)
      return outcome.spent ?? []
    }

    const inUse = async (counter: string): Promise<number | undefined> =>
      (await ledger.usage([counter]))[0]?.inUse

    it('keep: the end of a unit gives nothing back, and what does not fit is refused with what is spent', async () => {
      const admission = await ledger.admit('a', draftOf('u1', 's'), [slot(), spawns(3, 4)])
      expect(admission).toMatchObject({
        status: 'admitted',
        spent: [{ counter: 'spawns', before: 0, after: 3 }],
      })
      await settled('u1', (admission as { readonly hold: Hold }).hold)
      expect(await inUse('spawns')).toBe(3)
      expect(await ledger.admit('a', draftOf('u2', 's'), [slot(), spawns(2, 4)])).toEqual({
        status: 'refused',
        counter: 'spawns',
        limit: 4,
        inUse: 3,
        spent: 3,
        holders: [],
      })
      await admitted('u3', [slot(), spawns(1, 4)])
    })

    it('actual: reserved while the unit lives, then replaced by what was spent, less or more', async () => {
      const first = await admitted('u1', [tokens(600, 1_000)])
      expect(await ledger.admit('a', draftOf('u2', 's'), [tokens(401, 1_000)])).toMatchObject({
        status: 'refused',
        counter: 'tokens',
        limit: 1_000,
        inUse: 600,
        spent: 0,
        holders: [{ id: 'u1', goal: 'goal of u1', owner: 'a' }],
      })
      const second = await admitted('u2', [tokens(400, 1_000)])
      expect(await settled('u1', first, [{ counter: 'tokens', amount: 50 }])).toEqual([
        { counter: 'tokens', before: 0, after: 50 },
      ])
      expect(await inUse('tokens')).toBe(450)
      expect(await settled('u2', second, [{ counter: 'tokens', amount: 2_000 }])).toEqual([
        { counter: 'tokens', before: 50, after: 2_050 },
      ])
      const refused = await ledger.admit('a', draftOf('u3', 's'), [tokens(1, 1_000)])
      expect(refused).toMatchObject({ status: 'refused', inUse: 2_050, spent: 2_050, holders: [] })
    })

    it('actual: an end that does not say what was spent has spent all of it; one that names other counters, too', async () => {
      await settled('u1', await admitted('u1', [tokens(70, 100)]))
      expect(await inUse('tokens')).toBe(70)
      await settled('u2', await admitted('u2', [tokens(30, 100)]), [{ counter: 'cost', amount: 5 }])
      expect(await inUse('tokens')).toBe(100)
      expect(await inUse('cost')).toBe(0)
    })

    it('R15, P1: all charges of an admission fit, or none is charged, whichever comes first', async () => {
      for (const charges of [
        [slot(), spawns(1, 9), tokens(11, 10)],
        [tokens(11, 10), slot(), spawns(1, 9)],
        [tokens(1, 10), spawns(1, 9), slot(0)],
        [slot(), tokens(1, 10), spawns(10, 9)],
      ]) {
        expect((await ledger.admit('a', draftOf('u1', 's'), charges)).status).toBe('refused')
      }
      for (const counter of ['units', 'spawns', 'tokens']) expect(await inUse(counter), counter).toBe(0)
    })

    it('P1: of 50 that race for a budget of 10 exactly 10 are admitted, whoever asks', async () => {
      const admissions = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          ledger.admit(index % 2 === 0 ? 'a' : 'b', draftOf(`u${index}`, 's'), [slot(), tokens(7, 70)]),
        ),
      )
      const statuses = admissions.map(({ status }: Admission) => status)
      expect(statuses.filter((status) => status === 'admitted')).toHaveLength(10)
      expect(await inUse('tokens')).toBe(70)
      expect(await inUse('units')).toBe(10)
    })

    it('R18: a withdrawal gives all of it back, a second one nothing', async () => {
      await admitted('u0', [slot(), spawns(1, 9), tokens(1, 10)])
      const hold = await admitted('u1', [slot(), spawns(2, 9), tokens(5, 10)])
      expect(await ledger.withdraw(hold)).toBe(true)
      expect(await ledger.withdraw(hold)).toBe(false)
      expect([await inUse('units'), await inUse('spawns'), await inUse('tokens')]).toEqual([1, 1, 1])
    })

    it('P2: who joins a held slot pays none of its slot, and all else', async () => {
      await admitted('u1', [slot(1), spawns(1, 3), tokens(5, 10)])
      await admitted('u2', [slot(1), spawns(2, 3)], 'u1')
      expect([await inUse('units'), await inUse('spawns'), await inUse('tokens')]).toEqual([1, 3, 5])
      const third = draftOf('u3', 's', { slotKey: 'u1' })
      expect(await ledger.admit('a', third, [slot(1), spawns(1, 3)])).toMatchObject({
        status: 'refused',
        counter: 'spawns',
      })
    })

    it('P2: units of one slot draw on one reservation, and the last one gives back the rest', async () => {
      const first = await admitted('u1', [slot(), spawns(1, 9), tokens(10, 20)])
      const second = await admitted('u2', [spawns(1, 9)], 'u1')
      const third = await admitted('u3', [spawns(1, 9)], 'u1')
      const spending = (amount: number) => [{ counter: 'tokens', amount }]
      expect(await settled('u2', second, spending(3))).toEqual([{ counter: 'tokens', before: 0, after: 3 }])
      expect(await inUse('tokens')).toBe(10)
      expect(await ledger.withdraw(third)).toBe(true)
      expect([await inUse('spawns'), await inUse('tokens')]).toEqual([2, 10])
      expect(await settled('u1', first, spending(4))).toEqual([{ counter: 'tokens', before: 3, after: 7 }])
      expect([await inUse('spawns'), await inUse('tokens')]).toEqual([2, 7])
    })

    it('P2: when the first of a slot ends before the others, they draw on it all the same, and beyond it', async () => {
      const first = await admitted('u1', [slot(), tokens(10, 20)])
      const second = await admitted('u2', [], 'u1')
      const third = await admitted('u3', [], 'u1')
      await settled('u1', first, [{ counter: 'tokens', amount: 4 }])
      expect(await inUse('tokens')).toBe(10)
      await settled('u2', second, [{ counter: 'tokens', amount: 9 }])
      expect(await inUse('tokens')).toBe(13)
      await settled('u3', third, [{ counter: 'tokens', amount: 1 }])
      expect(await inUse('tokens')).toBe(14)
    })

    it('P6: a kept slot keeps no reservation: the end says what was spent', async () => {
      const hold = await admitted('u1', [slot(), tokens(5, 10)])
      const end = endOf(draftOf('u1', 's'), { slot: 'kept', actual: [{ counter: 'tokens', amount: 2 }] })
      await ledger.settle(hold, end)
      expect([await inUse('units'), await inUse('tokens')]).toEqual([1, 2])
      await ledger.freeSlot(hold)
      expect([await inUse('units'), await inUse('tokens')]).toEqual([0, 2])
    })

    it('P4: an end that lost, and one under an old fence, spends nothing', async () => {
      const hold = await admitted('u1', [tokens(5, 10)])
      const [taken] = await ledger.takeOver('a', 'b', 'all')
      const actual = [{ counter: 'tokens', amount: 9 }]
      expect((await ledger.settle(hold, endOf(draftOf('u1', 's'), { actual }))).won).toBe(false)
      expect(await inUse('tokens')).toBe(5)
      const settledByHeir = await ledger.settle(taken!.hold, endOf(draftOf('u1', 's'), { actual }))
      expect(settledByHeir).toMatchObject({ won: true, spent: [{ counter: 'tokens', before: 0, after: 9 }] })
      expect((await ledger.settle(taken!.hold, endOf(draftOf('u1', 's'), { actual }))).won).toBe(false)
      expect(await inUse('tokens')).toBe(9)
    })

    const used = (more: Partial<ChildUsage>): ChildUsage => ({
      model: null,
      runner: null,
      apiCalls: 1,
      inputTokens: 10,
      outputTokens: 5,
      costMicros: 100,
      ...more,
    })

    async function endedWith(
      id: string,
      session: string,
      usage: readonly ChildUsage[],
      slotKey = id,
    ): Promise<void> {
      const draft = draftOf(id, session, { slotKey })
      const admission = await ledger.admit('a', draft, [slot()])
      if (admission.status !== 'admitted') throw new Error(`${id} was ${admission.status}`)
      await ledger.settle(admission.hold, endOf(draft, { usage }))
    }

    it('usage: what children used is added up by session, model, runner and tree, the dearest first', async () => {
      await admitted('root', [slot()])
      await endedWith('u1', 's1', [
        used({ model: 'large', runner: 'agent', costMicros: 300_000 }),
        used({ model: 'small', runner: 'agent' }),
      ])
      await endedWith('u2', 's2', [used({ model: 'small', runner: 'agent', inputTokens: 0.5 })], 'root')
      await endedWith('u3', 's2', [used({})], 'root')
      await endedWith('u4', 's3', [])
      const sums = (by: UsageQuery['by'], limit = 9) => ledger.usageSums({ by, since: null, limit })
      const one = { apiCalls: 1, inputTokens: 10, outputTokens: 5, costMicros: 100, children: 1 }
      const two = { apiCalls: 2, inputTokens: 10.5, outputTokens: 10, costMicros: 200, children: 2 }
      expect(await sums('session')).toEqual([
        { ...two, key: 's1', inputTokens: 20, costMicros: 300_100 },
        { ...two, key: 's2' },
      ])
      expect(await sums('model')).toEqual([
        { ...one, key: 'large', costMicros: 300_000 },
        { ...two, key: 'small' },
        { ...one, key: null },
      ])
      expect((await sums('runner')).map(({ key, children }) => [key, children])).toEqual([
        ['agent', 3],
        [null, 1],
      ])
      expect((await sums('tree')).map(({ key, children }) => [key, children])).toEqual([
        ['u1', 2],
        ['root', 2],
      ])
      expect(await sums('session', 1)).toHaveLength(1)
    })

    it('usage: only of what ended since then; an end that lost adds nothing; nobody knows it after 90 days', async () => {
      await endedWith('u1', 's1', [used({})])
      clock.advance(60_000)
      const since = clock.now()
      const hold = await admitted('u2', [slot()])
      const end = endOf(draftOf('u2', 's'), { usage: [used({})] })
      expect((await ledger.settle(hold, end)).won).toBe(true)
      expect((await ledger.settle(hold, end)).won).toBe(false)
      const keys = async (from: number | null) =>
        (await ledger.usageSums({ by: 'session', since: from, limit: 9 })).map(({ key }) => key)
      expect(await keys(since)).toEqual(['s'])
      expect(await keys(since + 1)).toEqual([])
      expect((await keys(null)).sort()).toEqual(['s', 's1'])
      clock.advance(90 * 24 * 3_600_000 - 30_000)
      await ledger.prune()
      expect(await keys(null)).toEqual(['s'])
    })

    it('by any sequence of admissions, ends and withdrawals: what is in use is what is reserved and what was spent', async () => {
      const step = fc.oneof(
        fc.record({
          do: fc.constant('admit' as const),
          spawns: fc.nat(3),
          tokens: fc.nat(40),
          limit: fc.nat(100),
        }),
        fc.record({
          do: fc.constantFrom('settle' as const, 'withdraw' as const),
          pick: fc.nat(),
          actual: fc.option(fc.nat(60)),
        }),
      )
      const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) => {
        ledger = await openNew()
        const live = new Map<
          string,
          { readonly hold: Hold; readonly spawns: number; readonly tokens: number }
        >()
        let spent = 0
        let spawned = 0
        const reserved = (): number => [...live.values()].reduce((sum, unit) => sum + unit.tokens, 0)
        for (const [index, each] of steps.entries()) {
          const id = `u${index}`
          if (each.do === 'admit') {
            const fits = spawned + each.spawns <= 20 && spent + reserved() + each.tokens <= each.limit
            const charges = [slot(), spawns(each.spawns, 20), tokens(each.tokens, each.limit)]
            const admission = await ledger.admit('a', draftOf(id, 's'), charges)
            expect(admission.status).toBe(fits ? 'admitted' : 'refused')
            if (admission.status !== 'admitted') continue
            spawned += each.spawns
            live.set(id, { hold: admission.hold, spawns: each.spawns, tokens: each.tokens })
          } else {
            const [key, unit] = [...live][each.pick % Math.max(1, live.size)] ?? []
            if (key === undefined || unit === undefined) continue
            live.delete(key)
            if (each.do === 'withdraw') {
              await ledger.withdraw(unit.hold)
              spawned -= unit.spawns
            } else {
              const known = each.actual === null ? undefined : [{ counter: 'tokens', amount: each.actual }]
              await settled(key, unit.hold, known)
              spent += each.actual ?? unit.tokens
            }
          }
          expect(await inUse('tokens')).toBe(spent + reserved())
          expect(await inUse('spawns')).toBe(spawned)
          expect(await inUse('units')).toBe(live.size)
        }
      }
      await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), run), { numRuns: 60 })
    })
  })
}
