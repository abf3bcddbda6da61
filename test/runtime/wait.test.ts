import { describe, expect, it } from 'vitest'
import { memoryLedger, type Ledger } from '../../src/index.js'
import { draftOf, eventOf } from '../contract/ledger.js'
import { codeOf, gate, idOf, manualClock, open, openWithLedger, polite, quick } from './support.js'

describe('wait', () => {
  it('P3: gives the final event, to any number of callers, and marks nothing delivered', async () => {
    const delegator = await open()
    const held = gate<{ summary: string }>()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: () => held.promise }))
    const waiting = [delegator.wait(id), delegator.wait(id)]
    held.open({ summary: 'done' })
    const [first, second] = await Promise.all(waiting)
    expect(first).toMatchObject({ delegation_id: id, status: 'completed', summary: 'done' })
    expect(second).toEqual(first)
    expect((await delegator.get(id)).delivery_state).toBe('pending')
    expect(await delegator.completions.claim()).toHaveLength(1)
  })

  it('P3: after the end it gives the event at once, also once it was delivered', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: quick }))
    const event = await delegator.wait(id)
    const [completion] = await delegator.completions.claim()
    await completion?.ack()
    expect(await delegator.wait(id)).toEqual(event)
  })

  it('P3: with collect no claim gets it: it is born claimed, and delivered by the return', async () => {
    const delegator = await open()
    const atCompletion: Promise<unknown>[] = []
    delegator.events.on(
      'completion',
      () => void atCompletion.push(delegator.completions.claim({ all: true })),
    )
    const held = gate()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: async () => held.promise }))
    const waiting = delegator.wait(id, { collect: true })
    held.open()
    expect((await waiting).status).toBe('completed')
    expect(await Promise.all(atCompletion)).toEqual([[]])
    expect((await delegator.get(id)).delivery_state).toBe('delivered')
    expect(await delegator.completions.claim({ all: true })).toEqual([])
  })

  it('P3: with collect after the end it is delivered likewise', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: quick }))
    await delegator.wait(id)
    await delegator.wait(id, { collect: true })
    expect((await delegator.get(id)).delivery_state).toBe('delivered')
    expect(await delegator.completions.claim()).toEqual([])
  })

  it('P3: with collect it leaves a claim that somebody else holds', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: quick }))
    await delegator.wait(id)
    const [completion] = await delegator.completions.claim()
    expect((await delegator.wait(id, { collect: true })).delegation_id).toBe(id)
    expect(await completion?.ack()).toBe(true)
  })

  it('P3: of two that collect, one that gives up does not undo the other', async () => {
    const clock = manualClock()
    const delegator = await open({ clock })
    const held = gate()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: async () => held.promise }))
    const impatient = codeOf(delegator.wait(id, { collect: true, timeoutMs: 10 }))
    const patient = delegator.wait(id, { collect: true })
    clock.advance(10)
    expect(await impatient).toBe('WAIT_TIMEOUT')
    held.open()
    await patient
    expect((await delegator.get(id)).delivery_state).toBe('delivered')
  })

  it('P3: one that collects and gives up leaves the event to be claimed', async () => {
    const clock = manualClock()
    const delegator = await open({ clock })
    const held = gate()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: async () => held.promise }))
    const impatient = codeOf(delegator.wait(id, { collect: true, timeoutMs: 10 }))
    clock.advance(10)
    expect(await impatient).toBe('WAIT_TIMEOUT')
    held.open()
    await delegator.wait(id)
    expect(await delegator.completions.claim()).toHaveLength(1)
  })

  it("P3: waitAndClaim gives the claim to one of those who wait, and its verdict is that one's", async () => {
    const delegator = await open()
    const held = gate()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: async () => held.promise }))
    const waiting = [
      delegator.waitAndClaim(id),
      delegator.waitAndClaim(id),
      delegator.wait(id, { collect: true }),
    ]
    held.open()
    await Promise.all(waiting)
    const [first, second] = await Promise.all([waiting[0], waiting[1]] as ReturnType<
      typeof delegator.waitAndClaim
    >[])
    expect([first?.event.status, second?.event.status]).toEqual(['completed', 'completed'])
    expect(second?.completion).toBe(null)
    expect((await delegator.get(id)).delivery_state).toBe('claimed')
    expect(await first?.completion?.ack()).toBe(true)
    expect((await delegator.get(id)).delivery_state).toBe('delivered')
    expect((await delegator.waitAndClaim(id)).completion).toBe(null)
  })

  it('P3: waitAndClaim after the end claims what nobody has, and tells of what somebody has', async () => {
    const delegator = await open()
    const ids: string[] = []
    for (const goal of ['a', 'b']) ids.push(idOf(await delegator.dispatch({ goal, runner: quick })))
    for (const id of ids) await delegator.wait(id)
    const [taken] = await delegator.completions.claim({ limit: 1 })
    const [first, second] = await Promise.all(ids.map((id) => delegator.waitAndClaim(id)))
    expect([first?.event.goal, first?.completion]).toEqual(['a', null])
    expect(await taken?.ack()).toBe(true)
    expect(await second?.completion?.defer(0)).toBe(true)
    expect(await delegator.completions.claim()).toHaveLength(1)
  })

  it('P3: however many notices a unit has, its end is found, and claimed, among them', async () => {
    const { delegator, ledger } = await openWithLedger()
    const held = gate()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: async () => held.promise }))
    const owner = (await ledger.get(id))!.owner
    const notice = eventOf(draftOf(id, 'agent:main:cli:dm:local'))
    for (let n = 0; n < 1_001; n += 1) await ledger.publish(owner, { ...notice, event_id: `${id}:${n}` })
    held.open()
    await delegator.wait(id)
    expect((await delegator.wait(id)).event_id).toBe(id)
    const { event, completion } = await delegator.waitAndClaim(id)
    expect([event.event_id, completion?.event.event_id]).toEqual([id, id])
    expect(await ledger.deliveries({ ids: [id] }, ['claimed'], { limit: 9 })).toHaveLength(1)
  })

  it('P9: WAIT_TIMEOUT ends the waiting, not the unit', async () => {
    const delegator = await open()
    const held = gate()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: async () => held.promise }))
    await expect(delegator.wait(id, { timeoutMs: 5 })).rejects.toMatchObject({
      code: 'WAIT_TIMEOUT',
      detail: { id, waited_ms: 5 },
    })
    expect(delegator.activeCount()).toBe(1)
    held.open()
    expect((await delegator.wait(id, { timeoutMs: 60_000 })).status).toBe('completed')
  })

  it('P9: an id that never was, or that retention dropped, is UNKNOWN_DELEGATION', async () => {
    const ledger: typeof memoryLedger = (given) => memoryLedger({ ...given, retainedUnits: 0 })
    const delegator = await open({ ledger })
    expect(await codeOf(delegator.wait('deleg_00000000000000000000'))).toBe('UNKNOWN_DELEGATION')
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: quick }))
    await delegator.wait(id, { collect: true })
    expect(await codeOf(delegator.wait(id))).toBe('UNKNOWN_DELEGATION')
    expect(await codeOf(delegator.get(id))).toBe('UNKNOWN_DELEGATION')
  })

  it('P3: a unit of another delegator that ends between two looks at the ledger is not missed', async () => {
    let shared: Ledger | null = null
    const ledger: typeof memoryLedger = (given) => (shared ??= memoryLedger(given))
    const one = await open({ ledger })
    const held = gate<{ summary: string }>()
    const id = idOf(await one.dispatch({ goal: 'a', runner: () => held.promise }))
    let hasEnded = false
    const endFirst = async <T>(found: T): Promise<T> => {
      if (hasEnded) return found
      hasEnded = true
      held.open({ summary: 'done' })
      await one.wait(id)
      return found
    }
    const two = await open({
      ledger: () => ({
        ...shared!,
        deliveries: async (...call) => endFirst(await shared!.deliveries(...call)),
        get: async (...call) => endFirst(await shared!.get(...call)),
      }),
    })
    expect(await two.wait(id)).toMatchObject({ summary: 'done' })
  })

  it('P9: close interrupts what is waited for; after close it is CLOSED', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: polite }))
    const waiting = delegator.wait(id)
    await delegator.close()
    expect((await waiting).status).toBe('interrupted')
    expect(await codeOf(delegator.wait(id))).toBe('CLOSED')
  })
})
