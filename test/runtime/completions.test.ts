import { describe, expect, it } from 'vitest'
import { memoryLedger, type Completion, type Delegator } from '../../src/index.js'
import { gate, idOf, manualClock, open, quick } from './support.js'

async function withEvents(goals: readonly string[], sessionKey = ''): Promise<Delegator> {
  const delegator = await open({ maxUnits: 100 })
  for (const goal of goals)
    await delegator.wait(idOf(await delegator.dispatch({ goal, sessionKey, runner: quick })))
  return delegator
}

const goalsOf = (completions: readonly Completion[]): string[] => completions.map(({ event }) => event.goal)

describe('claims', () => {
  it("P3: a claimed completion is nobody else's, in the order of their ends, up to the limit", async () => {
    const delegator = await withEvents(['a', 'b', 'c'])
    expect(goalsOf(await delegator.completions.claim({ limit: 2 }))).toEqual(['a', 'b'])
    expect(goalsOf(await delegator.completions.claim())).toEqual(['c'])
    expect(await delegator.completions.claim()).toEqual([])
  })

  it('P10: its text is a turn: the block of the event, its summary inside a fence', async () => {
    const delegator = await withEvents(['a'])
    const [completion] = await delegator.completions.claim()
    expect(completion?.text).toContain('did a')
    expect(completion?.text).toContain(completion?.event.delegation_id)
    expect(completion?.text).toBe(completion?.text)
  })

  it('P3: ack delivers once; afterwards every verdict is false', async () => {
    const delegator = await withEvents(['a'])
    const [completion] = await delegator.completions.claim()
    expect(await completion?.ack()).toBe(true)
    expect((await delegator.list())[0]?.delivery_state).toBe('delivered')
    for (const verdict of ['ack', 'renew', 'release', 'defer', 'drop'] as const) {
      expect(await completion?.[verdict]()).toBe(false)
    }
    expect(await delegator.completions.claim()).toEqual([])
  })

  it('P3: drop gives up its target for good', async () => {
    const delegator = await withEvents(['a'])
    const [completion] = await delegator.completions.claim()
    expect(await completion?.drop('the chat was deleted')).toBe(true)
    expect((await delegator.list())[0]?.delivery_state).toBe('dropped')
    expect(await delegator.completions.claim()).toEqual([])
  })

  it('P3: one verdict for many: true where the claim held, false where it was lost', async () => {
    const delegator = await withEvents(['a', 'b', 'c'])
    const completions = await delegator.completions.claim()
    await completions[1]?.ack()
    expect(await delegator.completions.ack(completions)).toEqual([true, false, true])
    expect(await delegator.completions.drop(completions)).toEqual([false, false, false])
    const stranger = { ...completions[0] } as Completion
    expect(await delegator.completions.release([stranger])).toEqual([false])
  })
})

describe('claims and time', () => {
  const timed = async () => {
    const clock = manualClock()
    const ledger: typeof memoryLedger = (given) => memoryLedger({ ...given, random: () => 0.5 })
    const delegator = await open({ clock, ledger })
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner: quick })))
    const claim = async () => (await delegator.completions.claim())[0]
    return { clock, delegator, claim }
  }

  it('P3: a release comes again after a back-off that grows, and is dead after eight', async () => {
    const { clock, delegator, claim } = await timed()
    for (const seconds of [1, 2, 4, 8, 16, 32, 64]) {
      expect(await (await claim())?.release('no route')).toBe(true)
      clock.advance(seconds * 1000 - 1)
      expect(await claim()).toBeUndefined()
      clock.advance(1)
    }
    await (await claim())?.release('no route')
    clock.advance(3_600_000)
    expect(await claim()).toBeUndefined()
    expect((await delegator.list())[0]?.delivery_state).toBe('dead')
  })

  it('P3: a deferral costs nothing, however often, and comes again when it said', async () => {
    const { clock, claim } = await timed()
    for (let n = 0; n < 20; n += 1) {
      expect(await (await claim())?.defer(3)).toBe(true)
      expect(await claim()).toBeUndefined()
      clock.advance(3_000)
    }
    expect(await (await claim())?.ack()).toBe(true)
  })

  it('P3: a claim whose lease ended is lost to the next who claims; renewing keeps it', async () => {
    const { clock, claim } = await timed()
    const first = await claim()
    clock.advance(299_000)
    expect(await first?.renew(300)).toBe(true)
    clock.advance(299_000)
    expect(await claim()).toBeUndefined()
    clock.advance(1_000)
    const second = await claim()
    expect(second?.event).toEqual(first?.event)
    expect(await first?.ack()).toBe(false)
    expect(await second?.ack()).toBe(true)
  })
})

describe('ownership (P8)', () => {
  it('P8: a session key selects its own, ids their own, all everything', async () => {
    const delegator = await open({ maxUnits: 9 })
    const ids: string[] = []
    for (const route of [
      { sessionKey: 'one' },
      { sessionKey: 'two' },
      { parentSessionId: 'p' },
      { originUiSessionId: 'w' },
    ]) {
      const id = idOf(await delegator.dispatch({ goal: JSON.stringify(route), runner: quick, ...route }))
      await delegator.wait(id)
      ids.push(id)
    }
    const claimed = async (select: Parameters<Delegator['completions']['claim']>[0]) => {
      const completions = await delegator.completions.claim(select)
      await delegator.completions.defer(completions, 0)
      return completions.map(({ event }) => event.delegation_id)
    }
    expect(await claimed({ sessionKey: 'one' })).toEqual([ids[0]])
    expect(await claimed({ sessionKey: 'stranger' })).toEqual([])
    expect(await claimed({ parentSessionId: 'p' })).toEqual([ids[2]])
    expect(await claimed({ originUiSessionId: 'w' })).toEqual([ids[3]])
    expect(await claimed({ ids: [ids[1]!] })).toEqual([ids[1]])
    expect(await claimed({ all: true })).toEqual(ids)
    expect(await claimed({})).toEqual(ids)
  })

  it('P8: an empty key is claimable by the delegator that dispatched it, and by no other', async () => {
    let shared: ReturnType<typeof memoryLedger> | null = null
    const ledger: typeof memoryLedger = (given) => (shared ??= memoryLedger(given))
    const one = await open({ ledger })
    const two = await open({ ledger })
    await one.wait(idOf(await one.dispatch({ goal: 'a', runner: quick })))
    await two.wait(idOf(await two.dispatch({ goal: 'b', sessionKey: 's', runner: quick })))
    expect(await two.completions.claim({ sessionKey: '' })).toEqual([])
    expect(goalsOf(await two.completions.claim())).toEqual(['b'])
    expect(goalsOf(await one.completions.claim({ sessionKey: '' }))).toEqual(['a'])
  })
})

describe('follow', () => {
  it('P3: yields what waits and what comes, each once, and ends with its signal', async () => {
    const delegator = await withEvents(['a', 'b'])
    const stop = new AbortController()
    const seen: string[] = []
    for await (const completion of delegator.completions.follow({ signal: stop.signal })) {
      seen.push(completion.event.goal)
      await completion.ack()
      if (seen.length === 2) void delegator.dispatch({ goal: 'c', runner: quick })
      if (seen.length === 3) stop.abort()
    }
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  it('P3: it ends at once with a signal that comes while it waits, or was there before', async () => {
    const delegator = await open()
    const stop = new AbortController()
    const following = delegator.completions.follow({ signal: stop.signal }).next()
    setImmediate(() => stop.abort())
    expect(await following).toEqual({ done: true, value: undefined })
    expect(await delegator.completions.follow({ signal: stop.signal }).next()).toMatchObject({ done: true })
  })

  it('P3: it ends when the delegator closes', async () => {
    const delegator = await open()
    const following = delegator.completions.follow().next()
    setImmediate(() => void delegator.close())
    expect(await following).toEqual({ done: true, value: undefined })
  })

  it('P3: what was deferred comes again when it said, without anybody waking the follower', async () => {
    const delegator = await withEvents(['a'])
    const follower = delegator.completions.follow()
    const first = await follower.next()
    await first.value?.defer(0.05)
    const second = await follower.next()
    expect(second.value?.event).toEqual(first.value?.event)
    await follower.return()
  })

  it('P3: two followers share the work, and no completion goes to both', async () => {
    const delegator = await open({ maxUnits: 100 })
    const stop = new AbortController()
    const seen: string[] = []
    const all = gate()
    const follow = async (): Promise<void> => {
      for await (const completion of delegator.completions.follow({ signal: stop.signal })) {
        seen.push(completion.event.goal)
        await completion.ack()
        if (seen.length === 50) all.open()
      }
    }
    const followers = [follow(), follow()]
    const goals = Array.from({ length: 50 }, (_, n) => `goal ${n}`)
    await Promise.all(goals.map((goal) => delegator.dispatch({ goal, runner: quick })))
    await all.promise
    stop.abort()
    await Promise.all(followers)
    expect([...seen].sort()).toEqual([...goals].sort())
  })
})

describe('retention (R38)', () => {
  it('R38: fifty ended records are kept, the newest; running ones and undelivered events always', async () => {
    const delegator = await open({ maxUnits: 100 })
    const held = gate()
    const running = idOf(await delegator.dispatch({ goal: 'runs', runner: async () => held.promise }))
    const ids: string[] = []
    for (let n = 0; n < 60; n += 1) {
      const id = idOf(await delegator.dispatch({ goal: `goal ${n}`, runner: quick }))
      await delegator.wait(id)
      ids.push(id)
    }
    const listed = (await delegator.list()).map(({ delegation_id }) => delegation_id)
    expect(listed).toEqual([...ids.slice(10).reverse(), running])
    expect((await delegator.wait(ids[0]!)).goal).toBe('goal 0')
    const claimed = await delegator.completions.claim({ limit: 1000 })
    expect(claimed.map(({ event }) => event.delegation_id)).toEqual(ids)
    held.open()
  })
})
