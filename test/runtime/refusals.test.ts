import { describe, expect, it } from 'vitest'
import { memoryLedger, withSession, type Ledger, type Runner } from '../../src/index.js'
import { childRuns, fixture, idOf, open, polite, quick, refused } from './support.js'

const singleText =
  'Async delegation capacity reached (1 running). Wait for one to finish (its result will re-enter the chat), or run this task synchronously (background=false). Raise delegation.max_async_children in config.yaml to allow more concurrent background subagents.'
const batchText =
  'Async delegation capacity reached (1 running). Wait for one to finish (its result will re-enter the chat), or raise delegation.max_async_children in config.yaml to allow more concurrent background units.'

describe('the cap (P1)', () => {
  it('R13: of many dispatches that race for the last slot exactly one is admitted', async () => {
    const delegator = await open({ maxUnits: 2 })
    await delegator.dispatch({ goal: 'holds the first', runner: polite })
    const racing = Array.from({ length: 20 }, (_, n) =>
      n % 2 === 0
        ? delegator.dispatch({ goal: `goal ${n}`, runner: polite })
        : delegator.dispatchBatch({ goals: [`goal ${n}`], runner: fixture('polite') }),
    )
    const outcomes = await Promise.all(racing)
    expect(outcomes.filter(({ status }) => status === 'dispatched')).toHaveLength(1)
    expect(delegator.activeCount()).toBe(2)
  })

  it('R14: cap 0 always refuses, of the delegator and of the call', async () => {
    const none = await open({ maxUnits: 0 })
    expect(refused(await none.dispatch({ goal: 'a', runner: quick })).refusal).toMatchObject({
      code: 'CAPACITY',
      limit: 0,
      inUse: 0,
      holders: [],
      retry_hint: expect.stringContaining('switched off') as string,
    })
    const some = await open()
    expect(refused(await some.dispatch({ goal: 'a', maxUnits: 0, runner: quick })).error).toContain(
      '(0 running)',
    )
  })

  it('R14: the cap is that of the call, smaller or larger, over all sessions together', async () => {
    const delegator = await open({ maxUnits: 2 })
    await delegator.dispatch({ goal: 'a', sessionKey: 'one', runner: polite })
    refused(await delegator.dispatch({ goal: 'b', sessionKey: 'two', maxUnits: 1, runner: polite }))
    idOf(await delegator.dispatch({ goal: 'b', sessionKey: 'two', runner: polite }))
    refused(await delegator.dispatch({ goal: 'c', sessionKey: 'three', runner: polite }))
    idOf(await delegator.dispatch({ goal: 'c', sessionKey: 'three', maxUnits: 3, runner: polite }))
    expect(await delegator.capacity()).toMatchObject({ limit: 2, inUse: 3, free: 0 })
  })

  it('R8: a larger cap of a call grows the pool: its child runs beside the first', async () => {
    const delegator = await open({ maxUnits: 1, maxConcurrentChildren: 1 })
    const first = childRuns(delegator)
    await delegator.dispatch({ goal: 'a', runner: fixture('polite') })
    await first
    const second = childRuns(delegator)
    await delegator.dispatch({ goal: 'b', maxUnits: 2, runner: fixture('polite') })
    await second
    expect(delegator.activeCount()).toBe(2)
  })

  it('R15: a refusal leaves no trace: no record, no event, no call of the runner', async () => {
    const delegator = await open({ maxUnits: 1 })
    const first = await delegator.dispatch({ goal: 'a', runner: polite })
    const seen: unknown[] = []
    for (const name of ['dispatched', 'child', 'completion'] as const) {
      delegator.events.on(name, (payload: { delegation_id: string }) => void seen.push(payload.delegation_id))
    }
    let calls = 0
    const counting: Runner = () => void (calls += 1)
    const outcome = await delegator.dispatch({ goal: 'b', runner: counting })
    const batch = await delegator.dispatchBatch({ goals: ['b', 'c'], runner: counting })
    expect(Object.keys(outcome).sort()).toEqual(['error', 'refusal', 'status'])
    expect(batch.status).toBe('rejected')
    expect((await delegator.list()).map(({ delegation_id }) => delegation_id)).toEqual([idOf(first)])
    await delegator.interruptAll()
    await delegator.wait(idOf(first))
    expect(new Set(seen)).toEqual(new Set([idOf(first)]))
    expect(calls).toBe(0)
    expect(await delegator.completions.claim({ all: true })).toHaveLength(1)
  })

  it("R16, R34: the texts are the seed's, and the refusal says who holds the slots", async () => {
    const delegator = await open({ maxUnits: 1 })
    const first = await delegator.dispatch({ goal: 'g'.repeat(500), runner: polite })
    const told: unknown[] = []
    delegator.events.on('refused', (rejected) => void told.push(rejected))
    const single = await delegator.dispatch({ goal: 'b', runner: quick })
    expect(single).toEqual({
      status: 'rejected',
      error: singleText,
      refusal: {
        code: 'CAPACITY',
        limit: 1,
        inUse: 1,
        scope: 'process',
        holders: [
          {
            delegation_id: idOf(first),
            goal: 'g'.repeat(200),
            running_seconds: expect.any(Number) as number,
          },
        ],
        config_key: 'delegation.max_async_children',
        retry_hint: expect.stringContaining('admitWithinMs') as string,
      },
    })
    const batch = await delegator.dispatchBatch({ goals: ['b', 'c'], runner: quick })
    expect(refused(batch).error).toBe(batchText)
    expect(told).toEqual([single, batch])
  })

  it('R34: a full delegator says CAPACITY also where its threads are all in use', async () => {
    const delegator = await open({ maxUnits: 1, maxConcurrentChildren: 2 })
    await delegator.dispatchBatch({ goals: ['a', 'b'], runner: fixture('polite') })
    const outcome = refused(await delegator.dispatchBatch({ goals: ['c', 'd'], runner: fixture('polite') }))
    expect(outcome.refusal?.code).toBe('CAPACITY')
    expect(outcome.error).toBe(batchText)
  })

  it('P1: a unit that needs more threads than are left is refused as THREADS, and fits once they are free', async () => {
    const delegator = await open({ maxUnits: 3, maxConcurrentChildren: 3, maxThreads: 3 })
    const runner = fixture('polite')
    const first = await delegator.dispatchBatch({ goals: ['a', 'b'], runner })
    const outcome = await delegator.dispatchBatch({ goals: ['c', 'd'], runner })
    expect(refused(outcome)).toEqual({
      status: 'rejected',
      error:
        'The delegation needs 2 worker threads and 1 of 3 are free. Wait for a running delegation to end, lower max_concurrent_children, or raise delegation.max_threads.',
      refusal: {
        code: 'THREADS',
        limit: 3,
        inUse: 2,
        scope: 'process',
        holders: [
          {
            delegation_id: idOf(first),
            goal: '2 parallel subagents: a; b',
            running_seconds: expect.any(Number) as number,
          },
        ],
        config_key: 'delegation.max_threads',
        retry_hint: expect.any(String) as string,
      },
    })
    expect(await delegator.list()).toHaveLength(1)
    idOf(await delegator.dispatchBatch({ goals: ['c', 'd'], runner: quick }))
    await delegator.interrupt(idOf(first))
    await delegator.wait(idOf(first))
    idOf(await delegator.dispatchBatch({ goals: ['c', 'd'], runner }))
  })
})

describe('threads and races (P1)', () => {
  it('P1: a unit that is short of threads does not take them from one that fits, in the same tick', async () => {
    const delegator = await open({ maxUnits: 9, maxConcurrentChildren: 3, maxThreads: 3 })
    const runner = fixture('polite')
    await delegator.dispatchBatch({ goals: ['a', 'b'], runner })
    const [tooMuch, fits] = await Promise.all([
      delegator.dispatchBatch({ goals: ['c', 'd'], runner }),
      delegator.dispatch({ goal: 'e', runner }),
    ])
    expect(refused(tooMuch).refusal?.code).toBe('THREADS')
    expect(idOf(fits)).toMatch(/^deleg_/)
  })

  it('P1: children that run inline or shared need no thread of their own', async () => {
    const delegator = await open({ maxUnits: 9, maxThreads: 1 })
    idOf(await delegator.dispatch({ goal: 'a', runner: fixture('polite') }))
    idOf(await delegator.dispatchBatch({ goals: ['b', 'c'], runner: polite }))
    idOf(
      await delegator.dispatchBatch({
        goals: ['d', 'e'],
        runner: fixture('polite', { placement: 'shared' }),
      }),
    )
    expect(refused(await delegator.dispatch({ goal: 'f', runner: fixture('polite') })).refusal?.code).toBe(
      'THREADS',
    )
  })
})

describe('scopes of the cap', () => {
  it('P1: capacityScope session counts each session for itself', async () => {
    const delegator = await open({ maxUnits: 1, capacityScope: 'session' })
    const inSession = (key: string, goal: string) =>
      withSession(key, () => delegator.dispatch({ goal, runner: polite }))
    idOf(await inSession('one', 'a'))
    expect(refused(await inSession('one', 'b')).refusal).toMatchObject({ scope: 'session', inUse: 1 })
    idOf(await inSession('two', 'c'))
    expect(await delegator.capacity({ sessionKey: 'one' })).toMatchObject({
      inUse: 1,
      free: 0,
      scope: 'session',
    })
    expect(await delegator.capacity({ sessionKey: 'three' })).toMatchObject({ inUse: 0, free: 1 })
  })

  it('P1: capacityScope ledger counts all delegators of a ledger together, process each for itself', async () => {
    let shared: Ledger | null = null
    const ledger: typeof memoryLedger = (given) => (shared ??= memoryLedger(given))
    const one = await open({ maxUnits: 1, capacityScope: 'ledger', ledger })
    const two = await open({ maxUnits: 1, capacityScope: 'ledger', ledger })
    const own = await open({ maxUnits: 1, ledger })
    const first = await one.dispatch({ goal: 'a', runner: polite })
    expect(refused(await two.dispatch({ goal: 'b', runner: polite })).refusal).toMatchObject({
      scope: 'ledger',
      holders: [{ delegation_id: idOf(first) }],
    })
    idOf(await own.dispatch({ goal: 'c', runner: polite }))
  })
})
