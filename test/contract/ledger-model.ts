/**
 * Random sequences of operations against a model that is small enough to be right by reading it: which units hold a
 * slot, which ended, which were asked to stop, and what became of each event. fast-check prints the seed of a failure, and its shortest form.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { interruptLimit } from '../../src/ledger/interrupt-lists.js'
import type { Ledger } from '../../src/ledger/ledger.js'
import type { Claim, Hold, Select, UnitDraft } from '../../src/ledger/shapes.js'
import { createManualClock, type ManualClock } from '../support/manual-clock.js'
import { draftOf, endOf, eventOf, ownerOf, type GivenToLedger } from './ledger.js'

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
  | { readonly do: 'publish'; readonly session: number; readonly owner: number; readonly notice: boolean }
  | { readonly do: 'publishAgain'; readonly pick: number }
  | { readonly do: 'interrupt'; readonly pick: number; readonly by: 'id' | 'session' | 'all' }
  | { readonly do: 'settleAside'; readonly pick: number; readonly slot: 'freed' | 'kept' }
  | { readonly do: 'replay' }
  | { readonly do: 'takeOver'; readonly owner: number }
  | { readonly do: 'advance'; readonly seconds: number }
  | { readonly do: 'prune' }

const pick = fc.nat({ max: 30 })
const small = fc.nat({ max: 2 })
const slot = fc.constantFrom('freed', 'kept')
type Weighted = fc.WeightedArbitrary<Operation>

const ofAny: readonly Weighted[] = [
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
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('publish'),
      session: small,
      owner: small,
      notice: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('publishAgain'), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('interrupt'), pick, by: fc.constantFrom('id', 'session', 'all') }),
  },
]

/** For a ledger that keeps aside what it cannot write. */
const ofSpool: readonly Weighted[] = [
  { weight: 2, arbitrary: fc.record({ do: fc.constant('settleAside'), pick, slot }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replay') }) },
]

/** A ledger, and, where ends are kept aside, how that comes about. */
export interface ModelLedger {
  readonly ledger: Ledger
  readonly spool?: {
    /** What is written meanwhile cannot be. */
    readonly unwritable: <T>(work: () => Promise<T>) => Promise<T>
    /** What was kept aside is written. */
    readonly replay: () => Promise<void>
  }
}

/** What is to be delivered: the final event of a unit, or one that was published. */
interface Deliverable {
  readonly id: string
  readonly session: string
  /** Acked, collected or dismissed: must never be claimed again. */
  resolved: boolean
}

interface Known {
  readonly draft: UnitDraft
  hold: Hold
  owner: string
  phase: 'live' | 'withdrawn' | 'ended'
  holdsSlot: boolean
  /** The last requests to stop it, or a child of it. */
  interrupts: readonly string[]
  /** Its end was kept aside: under which hold, and what it says of the slot. */
  aside: { readonly fence: number; readonly slot: 'freed' | 'kept' } | null
}

const sessions = ['agent:main:cli:dm:local', 'agent:main:telegram:dm:1', 'agent:main:telegram:dm:2']
const owners = ['a', 'b', 'c']
const leaseSeconds = 30

/** Applies operations to the ledger and to the model, and holds the one to the other after each. */
class Run {
  readonly #ledger: Ledger
  readonly #clock: ManualClock
  readonly #units: Known[] = []
  readonly #spool: ModelLedger['spool']
  readonly #events = new Map<string, Deliverable>()
  readonly #claims: Claim[] = []
  #published = 0
  #requests = 0

  constructor({ ledger, spool }: ModelLedger, clock: ManualClock) {
    this.#ledger = ledger
    this.#spool = spool
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
      case 'publish':
        return this.#publish(operation)
      case 'publishAgain':
        return this.#publishAgain(operation)
      case 'interrupt':
        return this.#interrupt(operation)
      case 'settleAside':
        return this.#settleAside(operation)
      case 'replay':
        return this.#replay()
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
    const known = { draft, hold: admission.hold, owner: owners[owner]!, interrupts: [], aside: null }
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
    if (won) this.#end(unit, slot)
  }

  #end(unit: Known, slot: 'freed' | 'kept'): void {
    unit.phase = 'ended'
    unit.holdsSlot &&= slot === 'kept'
    const { id, route } = unit.draft
    this.#events.set(id, { id, session: route.sessionKey, resolved: false })
  }

  async #settleAside({ pick, slot }: Extract<Operation, { do: 'settleAside' }>): Promise<void> {
    const live = this.#units.filter(({ phase }) => phase === 'live')
    const unit = live[pick % Math.max(1, live.length)]
    if (unit === undefined) return
    const end = endOf(unit.draft, { slot })
    const settled = await this.#spool!.unwritable(() => this.#ledger.settle(unit.hold, end))
    expect(settled, 'an end that cannot be written is kept').toMatchObject({ won: true, claim: null })
    expect((await this.#ledger.get(unit.draft.id))?.endedAt).toBeNull()
    unit.aside = { fence: unit.hold.fence, slot }
  }

  async #replay(): Promise<void> {
    await this.#spool!.replay()
    this.#replayed()
  }

  /** An end that was kept counts unless the unit has another by now. */
  #replayed(): void {
    for (const unit of this.#units) {
      if (unit.aside !== null && unit.phase === 'live' && unit.aside.fence === unit.hold.fence)
        this.#end(unit, unit.aside.slot)
      unit.aside = null
    }
  }

  /** An event of the host's own, or a notice of a unit. */
  async #publish({ session, owner, notice }: Extract<Operation, { do: 'publish' }>): Promise<void> {
    const id = `p${(this.#published += 1)}`
    const unit = notice ? this.#units.at(-1) : undefined
    const draft = unit?.draft ?? draftOf(id, sessions[session])
    const seq = await this.#ledger.publish(owners[owner]!, eventOf(draft, { event_id: id }))
    expect(seq).toBeGreaterThan(0)
    this.#events.set(id, { id, session: draft.route.sessionKey, resolved: false })
  }

  async #publishAgain({ pick }: Extract<Operation, { do: 'publishAgain' }>): Promise<void> {
    const known = [...this.#events.values()].filter(({ resolved }) => !resolved)
    const event = known[pick % Math.max(1, known.length)]
    if (event === undefined) return
    const again = this.#ledger.publish('a', eventOf(draftOf(event.id)))
    await expect(again).rejects.toMatchObject({ code: 'LEDGER_DUPLICATE' })
  }

  /** Reaches the owners of what matches and is live, and nobody else. */
  async #interrupt({ pick, by }: Extract<Operation, { do: 'interrupt' }>): Promise<void> {
    const unit = this.#units[pick % Math.max(1, this.#units.length)]
    if (unit === undefined) return
    const { id, route } = unit.draft
    const select: Select =
      by === 'id' ? { ids: [id] } : by === 'session' ? { sessionKey: route.sessionKey } : { all: true }
    const requestId = `r${(this.#requests += 1)}`
    const asked = await this.#ledger.requestInterrupt(select, {
      ...{ requestId, reason: 'stop', graceMs: 10 },
      child: null,
    })
    const wanted = this.#units.filter(
      ({ draft, phase }) =>
        phase === 'live' &&
        (by === 'all' || (by === 'id' ? draft.id === id : draft.route.sessionKey === route.sessionKey)),
    )
    expect(asked.map((each) => each.id).sort()).toEqual(wanted.map(({ draft }) => draft.id).sort())
    for (const each of wanted) each.interrupts = [...each.interrupts.slice(1 - interruptLimit), requestId]
    for (const owner of owners) {
      const heard = await this.#ledger.heartbeat(owner)
      const live = this.#units.filter((each) => each.owner === owner && each.phase === 'live')
      expect(heard.map((request) => [request.unitId, request.requestId]).sort()).toEqual(
        live.flatMap(({ draft, interrupts }) => interrupts.map((request) => [draft.id, request])).sort(),
      )
    }
  }

  async #touch({ do: how, pick }: { readonly do: string; readonly pick: number }): Promise<void> {
    if (how === 'collect') return this.#collect(pick)
    const unit = this.#units[pick % Math.max(1, this.#units.length)]
    if (unit === undefined) return
    if (how === 'freeSlot') {
      await this.#ledger.freeSlot(unit.hold)
      unit.holdsSlot = false
    } else if (how === 'withdraw') {
      expect(await this.#ledger.withdraw(unit.hold)).toBe(unit.phase === 'live')
      if (unit.phase === 'live') Object.assign(unit, { phase: 'withdrawn', holdsSlot: false })
    } else {
      expect(await this.#ledger.record(unit.hold, { phase: 'stalling' })).toBe(unit.phase === 'live')
    }
  }

  /** Of all there could be, whether there is an event yet or not. */
  #eventId(pick: number): string | undefined {
    const units = this.#units.map(({ draft }) => draft.id)
    const ids = [...new Set([...units, ...this.#events.keys()])]
    return ids[pick % Math.max(1, ids.length)]
  }

  async #collect(pick: number): Promise<void> {
    const id = this.#eventId(pick)
    if (id === undefined || !(await this.#ledger.collect(id))) return
    expect(this.#events.has(id), 'only an end has an event').toBe(true)
    this.#events.get(id)!.resolved = true
  }

  async #claim({ session, limit, owner }: Extract<Operation, { do: 'claim' }>): Promise<void> {
    const sessionKey = sessions[session]!
    const { claims } = await this.#ledger.claim(owners[owner]!, { sessionKey }, limit, leaseSeconds)
    expect(claims.length).toBeLessThanOrEqual(limit)
    const seqs = claims.map(({ delivery }) => delivery.seq)
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
    for (const claim of claims) {
      const event = this.#events.get(claim.eventId)
      expect(event, 'only an end, or what was published, is an event').toBeDefined()
      expect(event?.resolved, `${claim.eventId} comes after it was acked`).toBe(false)
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
    const event = this.#events.get(claim.eventId)!
    if (held === true) expect(event.resolved, 'a claim on what is resolved still held').toBe(false)
    const isUnit = this.#units.some(({ draft }) => draft.id === event.id)
    // Of an event without a unit a ledger need not keep what nobody is to get any more.
    if (held === true && (verdict === 'ack' || (verdict === 'drop' && !isUnit))) event.resolved = true
  }

  async #reopen({ pick, to }: Extract<Operation, { do: 'reopen' }>): Promise<void> {
    const id = this.#eventId(pick)
    if (id === undefined) return
    const isUnit = this.#units.some(({ draft }) => draft.id === id)
    const [done] = await this.#ledger.reopen([id], to)
    const event = this.#events.get(id)
    if (done !== true) return
    // What was dropped may come back where it was kept.
    if (isUnit) expect(event?.resolved, 'what is resolved was reopened').toBe(false)
    event!.resolved = to === 'dismissed'
  }

  /** The owner dies and comes back as a new one of the same name, as a restarted process does. */
  async #takeOver(dead: string): Promise<void> {
    const heir = owners.find((id) => id !== dead)!
    const taken = await this.#ledger.takeOver(dead, heir, 'all')
    // What the dead one had kept aside are its real ends.
    this.#replayed()
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
    for (const { eventId } of left) expect(this.#events.get(eventId)?.resolved, eventId).toBe(false)
    const all = ['pending', 'claimed', 'delivered', 'dead', 'dropped', 'dismissed'] as const
    const deliveries = await this.#ledger.deliveries({ all: true }, all, { limit: 1_000 })
    const ids = deliveries.map(({ eventId }) => eventId)
    expect(ids).toEqual([...new Set(ids)])
    const ended = this.#units.filter(({ phase }) => phase === 'ended').map(({ draft }) => draft.id)
    // Fewer units than retention keeps: so each has exactly one event, and so has what was published and is not resolved.
    const isKept = ({ id, resolved }: Deliverable): boolean => !resolved || ended.includes(id)
    const kept = [...this.#events.values()].filter(isKept).map(({ id }) => id)
    expect(kept).toEqual(expect.arrayContaining(ended))
    expect(ids).toEqual(expect.arrayContaining(kept))
    expect([...this.#events.keys()]).toEqual(expect.arrayContaining(ids))
  }
}

/** The model's four promises, over random sequences of at most 60 operations. */
export function ledgerModelContract(
  name: string,
  open: (given: GivenToLedger) => Promise<ModelLedger>,
  has: { readonly spool: boolean } = { spool: false },
): void {
  const operation = fc.oneof(...ofAny, ...(has.spool ? ofSpool : []))
  describe(`${name}, by any sequence of operations,`, () => {
    it('R14, P3, P4, P8: never has more in use than the limit, one final event a unit, no acked event again, none to a foreign session', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
          const clock = createManualClock()
          const opened = await open({
            clock,
            random: () => 0.5,
            rules: { maxAttempts: 3, maxAgeSeconds: 3600 },
          })
          for (const id of owners) await opened.ledger.join(ownerOf(id))
          const run = new Run(opened, clock)
          for (const operation of operations) {
            await run.apply(operation)
            await run.checkUsage()
          }
          await run.checkEnd()
          await opened.ledger.close()
        }),
        { numRuns: 300 },
      )
    })
  })
}
