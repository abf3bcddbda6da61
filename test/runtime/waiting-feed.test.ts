import { describe, expect, it, vi } from 'vitest'
import type { Delegator, WaitingSession, WatchOptions } from '../../src/index.js'
import { idOf, open, openWithLedger, polite, quick, until } from './support.js'

const end = async (delegator: Delegator, sessionKey: string, runner = quick): Promise<string> => {
  const id = idOf(await delegator.dispatch({ goal: `for ${sessionKey}`, runner, sessionKey }))
  await delegator.wait(id)
  return id
}

/** What a watch has been told, and a promise of being told what fits. */
function watched(delegator: Delegator, options: WatchOptions) {
  const told: (readonly WaitingSession[])[] = []
  const asked: { fits: (keys: readonly string[]) => boolean; resolve: () => void }[] = []
  const keysOf = (sessions: readonly WaitingSession[]) => sessions.map(({ sessionKey }) => sessionKey).sort()
  const watch = delegator.completions.watch(options, (sessions) => {
    told.push(sessions)
    for (const { fits, resolve } of asked) if (fits(keysOf(sessions))) resolve()
  })
  const until = (fits: (keys: readonly string[]) => boolean): Promise<void> =>
    new Promise((resolve) => {
      if (fits(keysOf(told.at(-1) ?? []))) resolve()
      else asked.push({ fits, resolve })
    })
  return { told, until, watch }
}

describe('watching what waits', () => {
  it('P8: tells each watcher of its own alone, and of an empty key only who dispatched it', async () => {
    const delegator = await open({ maxUnits: 9 })
    const a = watched(delegator, { sessionKey: 'a' })
    const b = watched(delegator, { sessionKey: 'b' })
    const own = watched(delegator, {})
    const all = watched(delegator, { all: true })
    for (const key of ['a', '', 'c']) await end(delegator, key)
    await delegator.completions.publish({ type: 'note', session_key: 'a' })
    for (const each of [own, all]) await each.until((keys) => keys.join() === ',a,c')
    await a.until((keys) => keys.join() === 'a')
    expect(b.told).toEqual([])
    const [waiting] = a.told.at(-1) ?? []
    const claimed = await delegator.completions.claim({ waiting: waiting! })
    expect(claimed.map(({ event }) => event.session_key)).toEqual(['a', 'a'])
    await delegator.completions.ack(claimed)
    await a.until((keys) => keys.length === 0)
    await own.until((keys) => keys.join() === ',c')
  })

  it("P8: another delegator's completions without a session are told to nobody but who watches all", async () => {
    const { delegator, ledger } = await openWithLedger()
    const other = await open({ ledger: () => ledger })
    const [nobody, own, all] = [{ sessionKey: '' }, {}, { all: true }].map((each) => watched(other, each))
    await end(delegator, '')
    await all!.until((keys) => keys.length === 1)
    expect([nobody!.told, own!.told]).toEqual([[], []])
  })

  it('a watcher that throws keeps nothing from the others, and one that has stopped hears nothing', async () => {
    const delegator = await open()
    delegator.completions.watch({ all: true }, () => {
      throw new Error('it is confused')
    })
    const stopped = watched(delegator, { all: true })
    stopped.watch.stop()
    const other = watched(delegator, { all: true })
    await end(delegator, 'a')
    await other.until((keys) => keys.join() === 'a')
    expect(stopped.told).toEqual([])
  })

  it('1,000 sessions that wait for news are one subscription, and one completion wakes one of them', async () => {
    const { delegator, ledger } = await openWithLedger()
    const subscribe = vi.spyOn(ledger, 'subscribe')
    const waiting = vi.spyOn(ledger, 'waiting')
    const claim = vi.spyOn(ledger, 'claim')
    const sessions = Array.from({ length: 1_000 }, (_, index) =>
      watched(delegator, { sessionKey: `session ${index}` }),
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([subscribe, waiting, claim].map(({ mock }) => mock.calls.length)).toEqual([1, 1, 0])
    await end(delegator, 'session 7')
    await sessions[7]?.until((keys) => keys.length === 1)
    // At most one for the admission, the settle and what comes of it.
    expect(waiting.mock.calls.length).toBeLessThan(6)
    expect(sessions.filter(({ told }) => told.length > 0)).toEqual([sessions[7]])
    const reads = waiting.mock.calls.length
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(waiting.mock.calls.length).toBeLessThanOrEqual(reads + 1)
  })

  it('what is deferred is told of when its time has come', async () => {
    const delegator = await open()
    const id = await end(delegator, 'a')
    const [claimed] = await delegator.completions.claim({ sessionKey: 'a' })
    await claimed?.defer(0.1)
    const a = watched(delegator, { sessionKey: 'a' })
    await a.until((keys) => keys.length === 1)
    expect((await delegator.completions.claim({ sessionKey: 'a' }))[0]?.event.delegation_id).toBe(id)
  })
})

describe('a session that has ended (spec 5.3)', () => {
  it('P6, P8: its units are stopped, what waits is dropped with the reason, and others are left alone', async () => {
    const { delegator, ledger } = await openWithLedger({ maxUnits: 9 })
    const waits = await end(delegator, 'a')
    const away = await end(delegator, 'a')
    const [claimed] = await delegator.completions.claim({ ids: [away] })
    await claimed?.release('the host was ill')
    const runs = idOf(await delegator.dispatch({ goal: 'runs', runner: polite, sessionKey: 'a' }))
    const other = idOf(await delegator.dispatch({ goal: 'runs', runner: polite, sessionKey: 'b' }))
    const ended = await delegator.endSession('a', { reason: '/reset' })
    expect(ended).toMatchObject({
      dropped: 3,
      underWay: 0,
      interrupted: { signalled: 1, stopped: 1, units: 1 },
    })
    const dropped = await delegator.completions.read({ sessionKey: 'a', states: ['dropped'] })
    expect(dropped.map(({ event_id }) => event_id).sort()).toEqual([waits, away, runs].sort())
    expect(dropped.every(({ reason }) => reason === '/reset')).toBe(true)
    expect((await ledger.get(runs))?.state).toBe('interrupted')
    expect((await delegator.get(other)).status).toBe('running')
  })

  it('P8: nobody is told of it meanwhile; what is dispatched after it is the next conversation', async () => {
    const delegator = await open({ maxUnits: 9 })
    const a = watched(delegator, { sessionKey: 'a' })
    await delegator.dispatch({ goal: 'old', runner: polite, sessionKey: 'a' })
    const ending = delegator.endSession('a')
    const told = a.told.length
    expect(a.watch.isEnding('a')).toBe(true)
    const next = idOf(await delegator.dispatch({ goal: 'new', runner: quick, sessionKey: 'a' }))
    await ending
    expect(a.told.slice(told).flat()).toEqual([])
    await a.until((keys) => keys.length === 1)
    const claimed = await delegator.completions.claim({ sessionKey: 'a' })
    expect(claimed.map(({ event }) => event.delegation_id)).toEqual([next])
  })

  it('P3: what somebody is delivering at that moment is left to him, and counted', async () => {
    const { delegator, ledger } = await openWithLedger()
    const id = await end(delegator, 'a')
    const [claimed] = await delegator.completions.claim({ sessionKey: 'a' })
    expect(await delegator.endSession('a')).toMatchObject({ dropped: 0, underWay: 1 })
    await claimed?.ack()
    await until(ledger, async () => (await delegator.get(id)).delivery_state === 'delivered')
  })

  it('a unit that is there to be collected is stopped, and its event is for who collects it', async () => {
    const delegator = await open()
    const call = { goal: 'pulled', runner: polite, sessionKey: 'a', delivery: 'collect' } as const
    const id = idOf(await delegator.dispatch(call))
    expect(await delegator.endSession('a')).toMatchObject({ dropped: 0, interrupted: { units: 1 } })
    expect((await delegator.wait(id, { collect: true })).status).toBe('interrupted')
  })

  it('nothing to end is a report of zeros; a key that is none, and a closed delegator, are errors', async () => {
    const delegator = await open()
    expect(await delegator.endSession('nobody')).toMatchObject({ dropped: 0, underWay: 0 })
    const wrong = delegator.endSession(7 as unknown as string)
    await expect(wrong).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(delegator.endSession('a', { graceMs: -1 })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await delegator.close()
    await expect(delegator.endSession('a')).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
