/**
 * Random sequences of operations against a model that is small enough to be right by reading it: which units hold a
 * slot, which ended, and what became of each event. fast-check prints the seed of a failure, and its shortest form.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.js'
import type { Claim, Hold, UnitDraft } from '../../src/ledger/shapes.js'
import { createManualClock, type ManualClock } from '../support/manual-clock.js'
import { draftOf, endOf, ownerOf, type OpenLedger } from './ledger.js'

type Operation =
  | { readonly do: 'admit'; readonly session: number; readonly limit: number; readonly owner: number }
  | { readonly do: 'settle' | 'settleAgain'; readonly pick: number; readonly slot: 'freed' | 'kept' }
  | { readonly do: 'freeSlot' | 'withdraw' | 'record' | 'collect'; readonly pick: number }
  | { readonly do: 'claim'; readonly session: number; readonly limit: number; readonly owner: number }
  | {
      readonly do: 'resolve'
      readonly pick: number
      readonly verdict: 'ack' | 'renew' | 'release' | 'defer' | 'drop'
    }
  | { readonly do: 'reopen'; readonly pick: number; readonly to: 'pending' | 'dismissed' }
  | { readonly do: 'takeOver'; readonly owner: number }
  | { readonly do: 'advance'; readonly seconds: number }
  | { readonly do: 'prune' }

const pick = fc.nat({ max: 30 })
const small = fc.nat({ max: 2 })
const slot = fc.constantFrom('freed', 'kept')
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('admit'),
      session: small,
      limit: fc.nat({ max: 4 }),
      owner: small,
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('settle', 'settleAgain'), pick, slot }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('freeSlot', 'withdraw', 'record', 'collect'), pick }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('claim'),
      session: small,
      limit: fc.integer({ min: 1, max: 3 }),
      owner: small,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('resolve'),
      pick,
      verdict: fc.constantFrom('ack', 'renew', 'release', 'defer', 'drop'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('reopen'), pick, to: fc.constantFrom('pending', 'dismissed') }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('takeOver'), owner: small }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('advance'), seconds: fc.constantFrom(1, 10, 60, 4000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('prune') }) },
)

interface Known {
  readonly draft: UnitDraft
  hold: Hold
  owner: string
  phase: 'live' | 'withdrawn' | 'ended'
  holdsSlot: boolean
  /** Acked or dismissed: must never be claimed again. */
  resolved: boolean
}

const sessions = ['agent:main:cli:dm:local', 'agent:main:telegram:dm:1', 'agent:main:telegram:dm:2']
const owners = ['a', 'b', 'c']
const leaseSeconds = 30

/** Applies operations to the ledger and to the model, and holds the one to the other after each. */
class Run {
  readonly #ledger: Ledger
  readonly #clock: ManualClock
  readonly #units: Known[] = []
  readonly #claims: Claim[] = []

  constructor(ledger: Ledger, clock: ManualClock) {
    this.#ledger = ledger
    this.#clock = clock
  }

  async apply(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'admit':
        return this.#admit(operation)
      case 'settle':
      case 'settleAgain':
        return this.#settle(operation)
      case 'claim':
        return this.#claim(operation)
      case 'resolve':
        return this.#resolve(operation)
      case 'reopen':
        return this.#reopen(operation)
      case 'takeOver':
        return this.#takeOver(owners[operation.owner]!)
      case 'advance':
        this.#clock.advance(operation.seconds * 1000)
        return
      case 'prune':
        await this.#ledger.prune()
        return
      case 'freeSlot':
      case 'withdraw':
      case 'record':
      case 'collect':
        return this.#touch(operation)
    }
  }

  async #admit({ session, limit, owner }: Extract<Operation, { do: 'admit' }>): Promise<void> {
    const draft = draftOf(`u${this.#units.length}`, sessions[session])
    const inUse = this.#units.filter(({ holdsSlot }) => holdsSlot).length
    const admission = await this.#ledger.admit(owners[owner]!, draft, [
      { counter: 'units', amount: 1, limit },
    ])
    expect(admission.status).toBe(inUse < limit ? 'admitted' : 'refused')
    if (admission.status !== 'admitted') return
    const known = { draft, hold: admission.hold, owner: owners[owner]!, resolved: false } as const
    this.#units.push({ ...known, phase: 'live', holdsSlot: true })
  }

  async #settle({
    pick,
    slot,
    do: how,
  }: Extract<Operation, { do: 'settle' | 'settleAgain' }>): Promise<void> {
    const candidates = this.#units.filter(({ phase }) => how === 'settleAgain' || phase === 'live')
    const unit = candidates[pick % Math.max(1, candidates.length)]
    if (unit === undefined) return
    const { won } = await this.#ledger.settle(unit.hold, endOf(unit.draft, { slot }))
    expect(won).toBe(unit.phase === 'live')
    if (!won) return
    unit.phase = 'ended'
    unit.holdsSlot &&= slot === 'kept'
  }

  async #touch({ do: how, pick }: { readonly do: string; readonly pick: number }): Promise<void> {
    const unit = this.#units[pick % Math.max(1, this.#units.length)]
    if (unit === undefined) return
    if (how === 'freeSlot') {
      await this.#ledger.freeSlot(unit.hold)
      unit.holdsSlot = false
    } else if (how === 'withdraw') {
      expect(await this.#ledger.withdraw(unit.hold)).toBe(unit.phase === 'live')
      if (unit.phase === 'live') Object.assign(unit, { phase: 'withdrawn', holdsSlot: false })
    } else if (how === 'record') {
      expect(await this.#ledger.record(unit.hold, { phase: 'stalling' })).toBe(unit.phase === 'live')
    } else if (await this.#ledger.collect(unit.draft.id)) {
      expect(unit.phase).toBe('ended')
      unit.resolved = true
    }
  }

  async #claim({ session, limit, owner }: Extract<Operation, { do: 'claim' }>): Promise<void> {
    const sessionKey = sessions[session]!
    const { claims } = await this.#ledger.claim(owners[owner]!, { sessionKey }, limit, leaseSeconds)
    expect(claims.length).toBeLessThanOrEqual(limit)
    const seqs = claims.map(({ delivery }) => delivery.seq)
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
    for (const claim of claims) {
      const unit = this.#units.find(({ draft }) => draft.id === claim.eventId)
      expect(unit?.phase, 'only an end has an event').toBe('ended')
      expect(unit?.resolved, `${claim.eventId} comes after it was acked`).toBe(false)
      expect(claim.delivery.event.session_key, 'delivered to a foreign session').toBe(sessionKey)
      this.#claims.push(claim)
    }
  }

  async #resolve({ pick, verdict }: Extract<Operation, { do: 'resolve' }>): Promise<void> {
    const claim = this.#claims[pick % Math.max(1, this.#claims.length)]
    if (claim === undefined) return
    const verdicts = {
      ack: { kind: 'ack' },
      renew: { kind: 'renew', leaseSeconds },
      release: { kind: 'release', error: 'no' },
      defer: { kind: 'defer', forSeconds: 1 },
      drop: { kind: 'drop', reason: 'gone' },
    } as const
    const [held] = await this.#ledger.resolve([claim.token], verdicts[verdict])
    const unit = this.#units.find(({ draft }) => draft.id === claim.eventId)!
    if (held === true) expect(unit.resolved, 'a claim on what is resolved still held').toBe(false)
    if (held === true && verdict === 'ack') unit.resolved = true
  }

  async #reopen({ pick, to }: Extract<Operation, { do: 'reopen' }>): Promise<void> {
    const unit = this.#units[pick % Math.max(1, this.#units.length)]
    if (unit === undefined) return
    const [done] = await this.#ledger.reopen([unit.draft.id], to)
    if (done === true) expect(unit.resolved, 'what is resolved was reopened').toBe(false)
    if (done === true && to === 'dismissed') unit.resolved = true
  }

  /** The owner dies and comes back as a new one of the same name, as a restarted process does. */
  async #takeOver(dead: string): Promise<void> {
    const heir = owners.find((id) => id !== dead)!
    const taken = await this.#ledger.takeOver(dead, heir, 'all')
    const live = this.#units.filter(({ owner, phase }) => owner === dead && phase === 'live')
    expect(taken.map(({ hold }) => hold.id).sort()).toEqual(live.map(({ draft }) => draft.id).sort())
    for (const unit of this.#units) {
      if (unit.owner !== dead || unit.phase !== 'ended') continue
      unit.holdsSlot = false
    }
    for (const { hold } of taken) {
      const unit = live.find(({ draft }) => draft.id === hold.id)!
      expect((await this.#ledger.settle(unit.hold, endOf(unit.draft))).won, 'a fenced owner wrote').toBe(
        false,
      )
      Object.assign(unit, { hold, owner: heir })
    }
    await this.#ledger.join(ownerOf(dead))
  }

  async checkUsage(): Promise<void> {
    const [use] = await this.#ledger.usage(['units'])
    const holders = this.#units.filter(({ holdsSlot }) => holdsSlot).map(({ draft }) => draft.id)
    expect(use?.inUse).toBe(holders.length)
    expect(use?.holders.map(({ id }) => id).sort()).toEqual(holders.sort())
  }

  /** Drains all that is open, and counts what was ever delivered. */
  async checkEnd(): Promise<void> {
    const open = ['pending', 'claimed'] as const
    const left = await this.#ledger.deliveries({ all: true }, open, { limit: 1_000 })
    for (const { eventId } of left)
      expect(this.#units.find(({ draft }) => draft.id === eventId)?.resolved).toBe(false)
    const all = ['pending', 'claimed', 'delivered', 'dead', 'dropped', 'dismissed'] as const
    const deliveries = await this.#ledger.deliveries({ all: true }, all, { limit: 1_000 })
    const ids = deliveries.map(({ eventId }) => eventId)
    expect(ids).toEqual([...new Set(ids)])
    const ended = this.#units.filter(({ phase }) => phase === 'ended').map(({ draft }) => draft.id)
    // Fewer units than retention keeps: so each has exactly one event, and nothing else has any.
    expect(ids.sort()).toEqual(ended.sort())
  }
}

/** The model's four promises, over random sequences of at most 60 operations. */
export function ledgerModelContract(name: string, open: OpenLedger): void {
  describe(`${name}, by any sequence of operations,`, () => {
    it('R14, P3, P4, P8: never has more in use than the limit, one final event a unit, no acked event again, none to a foreign session', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
          const clock = createManualClock()
          const ledger = await open({
            clock,
            random: () => 0.5,
            rules: { maxAttempts: 3, maxAgeSeconds: 3600 },
          })
          for (const id of owners) await ledger.join(ownerOf(id))
          const run = new Run(ledger, clock)
          for (const operation of operations) {
            await run.apply(operation)
            await run.checkUsage()
          }
          await run.checkEnd()
          await ledger.close()
        }),
        { numRuns: 300 },
      )
    })
  })
}
