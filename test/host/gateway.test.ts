import { describe, expect, it, vi } from 'vitest'
import { DelegationError, parseSessionKey, type ResolvedSession } from '../../src/index.js'
import { gate, open, openWithLedger, until } from '../runtime/support.js'
import { attach, finished } from './support.js'

const chat = (id: number): string => `agent:main:telegram:dm:${id}:678`
const owns = ({ session_key }: { readonly session_key: string }): boolean =>
  parseSessionKey(session_key)?.platform === 'telegram'

describe('attachHost: many sessions in one process (P8, spec 5.3)', () => {
  it('P8: a session whose turn does not get started holds up no other, and has one turn at a time', async () => {
    const delegator = await open({ maxUnits: 9 })
    const stuck = gate<'started'>()
    const host = attach(delegator, {
      owns,
      take: ({ sessionKey }) => (sessionKey === chat(1) ? stuck.promise : 'started'),
    })
    await finished(delegator, 'one', { sessionKey: chat(1) })
    await vi.waitFor(() => expect(host.turns).toHaveLength(1))
    await finished(delegator, 'one more', { sessionKey: chat(1) })
    for (const id of [2, 3]) await finished(delegator, `goal ${id}`, { sessionKey: chat(id) })
    await host.until(3)
    expect(host.turns.map(({ sessionKey }) => sessionKey)).toEqual([chat(1), chat(2), chat(3)])
    stuck.open('started')
    await host.until(4)
    expect(host.turns[3]).toMatchObject({ goals: ['one more'], sessionKey: chat(1) })
  })

  it('P8: a busy session holds up no other; idleness is asked for by session', async () => {
    const delegator = await open({ maxUnits: 9 })
    const busy = new Set([chat(1)])
    const host = attach(delegator, { owns, isIdle: (key) => !busy.has(key) })
    for (const id of [1, 2, 3]) await finished(delegator, `goal ${id}`, { sessionKey: chat(id) })
    await host.until(2)
    expect(host.turns.map(({ goals }) => goals)).toEqual([['goal 2'], ['goal 3']])
    busy.clear()
    host.host.idle(chat(1))
    await host.until(3)
    expect(host.turns[2]?.goals).toEqual(['goal 1'])
  })

  it('P8: one conversation has one turn at a time, whatever its keys are', async () => {
    const delegator = await open({ maxUnits: 9 })
    const stuck = gate<'started'>()
    const host = attach(delegator, { take: (_turn, count) => (count === 1 ? stuck.promise : 'started') })
    await finished(delegator, 'a', { sessionKey: chat(1) })
    await vi.waitFor(() => expect(host.turns).toHaveLength(1))
    await finished(delegator, 'b', { sessionKey: chat(2) })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(host.turns).toHaveLength(1)
    stuck.open('started')
    await host.until(2)
  })

  it("P8: a stranger's completions stay; they are asked about once, and again when a session comes to life", async () => {
    const delegator = await open({ maxUnits: 9 })
    const alive = new Set<string>()
    const asked: string[] = []
    const host = attach(delegator, {
      owns({ goal, session_key }) {
        asked.push(goal)
        return alive.has(session_key)
      },
    })
    await finished(delegator, 'early', { sessionKey: chat(1) })
    await vi.waitFor(() => expect(asked).toEqual(['early']))
    for (const goal of ['x', 'y']) {
      alive.add(goal)
      await finished(delegator, goal, { sessionKey: goal })
    }
    await host.until(2)
    expect(asked).toEqual(['early', 'x', 'y'])
    alive.add(chat(1))
    host.host.idle(chat(1))
    await host.until(3)
    expect(host.turns[2]?.goals).toEqual(['early'])
  })

  it('P8: what was claimed when its session ended is no turn of it, and is dropped', async () => {
    const { delegator, ledger } = await openWithLedger()
    const claim = ledger.claim.bind(ledger)
    const [claiming, mayClaim] = [gate(), gate()]
    vi.spyOn(ledger, 'claim').mockImplementation(async (...args) => {
      const claimed = await claim(...args)
      claiming.open()
      await mayClaim.promise
      return claimed
    })
    const host = attach(delegator, { owns })
    await finished(delegator, 'old', { sessionKey: chat(1) })
    await claiming.promise
    const ending = delegator.endSession(chat(1), { reason: '/reset' })
    mayClaim.open()
    expect(await ending).toMatchObject({ dropped: 1, underWay: 0 })
    await finished(delegator, 'new', { sessionKey: chat(1) })
    await host.until(1)
    expect(host.turns.map(({ goals }) => goals)).toEqual([['new']])
  })
})

describe('attachHost: where a session goes on (spec 5.3)', () => {
  const answers = (by: Record<string, ResolvedSession>) => (key: string) => by[key] ?? { sessionKey: key }

  it('P8: a compressed session goes on in its continuation, in its turn and its session', async () => {
    const delegator = await open({ maxUnits: 9 })
    const idleAsked: string[] = []
    const host = attach(delegator, {
      owns,
      isIdle: (key) => idleAsked.push(key) > 0,
      resolveSession: answers({ [chat(1)]: { sessionKey: chat(9) } }),
    })
    await finished(delegator, 'a', { sessionKey: chat(1) })
    await finished(delegator, 'b', { sessionKey: chat(2) })
    await host.until(2)
    const routed = host.turns.map(({ goals, sessionKey, current }) => [...goals, sessionKey, current])
    expect(routed).toEqual([
      ['a', chat(9), chat(9)],
      ['b', chat(2), chat(2)],
    ])
    expect(idleAsked).not.toContain(chat(1))
  })

  it('P8: behind a user boundary nothing is delivered: dropped for good, and the reason is kept', async () => {
    const { delegator } = await openWithLedger({ maxUnits: 9 })
    const host = attach(delegator, { owns, resolveSession: answers({ [chat(1)]: 'gone' }) })
    await finished(delegator, 'old', { sessionKey: chat(1) })
    await finished(delegator, 'live', { sessionKey: chat(2) })
    await host.until(1)
    const dropped = async () => delegator.completions.read({ sessionKey: chat(1), states: ['dropped'] })
    await vi.waitFor(async () => expect(await dropped()).toHaveLength(1))
    expect((await dropped())[0]).toMatchObject({ reason: 'its session is over', attempts: 0 })
    expect(host.turns.map(({ goals }) => goals)).toEqual([['live']])
  })

  it.each([
    ['says so', () => 'unavailable' as const],
    ['throws', () => Promise.reject(new Error('the database is away'))],
    ['answers nonsense', () => ({}) as ResolvedSession],
  ])('P3: where nobody can say now (it %s) it is asked again, at no cost', async (_how, no) => {
    const { delegator, ledger } = await openWithLedger()
    let asks = 0
    const host = attach(delegator, {
      owns,
      resolveSession: (sessionKey) => (++asks < 2 ? no() : { sessionKey }),
    })
    const id = await finished(delegator, 'a', { sessionKey: chat(1) })
    await host.until(1)
    await until(ledger, async () => (await delegator.get(id)).delivery_state === 'delivered')
    const [delivery] = await delegator.completions.read({ sessionKey: chat(1) })
    expect(delivery).toMatchObject({ attempts: 0, state: 'delivered' })
    expect(asks).toBe(2)
  })

  it('P8: completions of one chat under two parent sessions never share a turn, and go their own ways', async () => {
    const delegator = await open({ maxUnits: 9 })
    for (const [goal, parentSessionId] of [
      ['a', 'p1'],
      ['b', 'p2'],
      ['c', 'p1'],
      ['d', 'p3'],
    ])
      await finished(delegator, goal!, { sessionKey: chat(1), parentSessionId })
    const host = attach(delegator, {
      owns,
      resolveSession: (sessionKey, parent) => (parent === 'p3' ? 'gone' : { sessionKey }),
    })
    await host.until(2)
    expect(host.turns.map(({ goals }) => goals)).toEqual([['a', 'c'], ['b']])
  })

  it('a closed delegator ends it in the middle of an answer', async () => {
    const delegator = await open()
    const asked = gate()
    const answer = gate<ResolvedSession>()
    const host = attach(delegator, {
      owns,
      resolveSession() {
        asked.open()
        return answer.promise
      },
    })
    await finished(delegator, 'a', { sessionKey: chat(1) })
    await asked.promise
    await delegator.close()
    answer.open({ sessionKey: chat(1) })
    await host.host.detach()
    expect(host.turns).toEqual([])
  })
})

it('P3: a ledger in trouble is no reason to ask a stranger every time', async () => {
  const { delegator, ledger } = await openWithLedger()
  const host = attach(delegator, { owns })
  vi.spyOn(ledger, 'deliveries').mockImplementationOnce(() =>
    Promise.reject(new DelegationError('LEDGER_BUSY')),
  )
  await finished(delegator, 'a', { sessionKey: chat(1) })
  await host.until(1)
})
