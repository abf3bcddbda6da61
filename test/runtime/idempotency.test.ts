import { describe, expect, it } from 'vitest'
import { memoryLedger } from '../../src/index.js'
import { completionsOf, fixture, idOf, manualClock, open, polite, quick, refused } from './support.js'

const weekMs = 7 * 24 * 3600 * 1000

describe('idempotency keys', () => {
  it('P2: the same key and the same arguments give the same handle, and run once', async () => {
    const delegator = await open()
    let calls = 0
    const call = { goal: 'a', idempotencyKey: 'k', runner: async () => void (calls += 1) }
    const [first, second] = await Promise.all([delegator.dispatch(call), delegator.dispatch(call)])
    expect(second).toEqual(first)
    await delegator.wait(idOf(first))
    expect(await delegator.dispatch(call)).toEqual(first)
    expect(calls).toBe(1)
    expect(await delegator.list()).toHaveLength(1)
  })

  it('P2: it is the handle of a unit that ended, too, and tells its end only once', async () => {
    const delegator = await open()
    const told = completionsOf(delegator)
    const call = { goals: ['a', 'b'], idempotencyKey: 'k', runner: fixture('default') }
    const first = await delegator.dispatchBatch(call)
    await delegator.wait(idOf(first))
    const again = await delegator.dispatchBatch(call)
    expect(await delegator.wait(idOf(again))).toMatchObject({
      delegation_id: idOf(first),
      status: 'completed',
    })
    expect(told).toHaveLength(1)
  })

  it('P2: the handle comes back also where no slot and no thread is free', async () => {
    const delegator = await open({ maxUnits: 1, maxConcurrentChildren: 2 })
    const call = { goals: ['a', 'b'], idempotencyKey: 'k', runner: fixture('polite') }
    const first = await delegator.dispatchBatch(call)
    expect(await delegator.dispatchBatch(call)).toEqual(first)
  })

  it('P2: where a child runs is no part of what was asked', async () => {
    const delegator = await open()
    const runner = fixture('default', { placement: 'shared' })
    const call = { goal: 'a', idempotencyKey: 'k', runner }
    const first = await delegator.dispatch(call)
    expect(await delegator.dispatch({ ...call, runner: { ...runner, together: 'w' } })).toEqual(first)
  })

  const different = {
    'another goal': { goal: 'b' },
    'another context': { context: 'other' },
    'other toolsets': { toolsets: ['web'] },
    'another role': { role: 'orchestrator' },
    'another model': { model: 'm' },
    'another session': { sessionKey: 'other' },
    'an output schema': { outputSchema: { type: 'string' } },
    'another runner': { runner: fixture('echo') },
    'other options of the runner': { runner: fixture('default', { options: { n: 1 } }) },
  }

  it.each(Object.entries(different))(
    'P2: the same key with %s is refused as KEY_REUSED',
    async (_what, change) => {
      const delegator = await open()
      const call = { goal: 'a', idempotencyKey: 'my key', runner: fixture('default') }
      const first = await delegator.dispatch(call)
      const outcome = refused(await delegator.dispatch({ ...call, ...change, admitWithinMs: 60_000 }))
      expect(outcome).toEqual({
        status: 'rejected',
        error: `The idempotency key "my key" was used by ${idOf(first)} with other arguments.`,
        refusal: {
          code: 'KEY_REUSED',
          limit: 1,
          inUse: 1,
          scope: 'process',
          holders: [{ delegation_id: idOf(first), goal: 'a', running_seconds: expect.any(Number) as number }],
          config_key: null,
          retry_hint: expect.any(String) as string,
        },
      })
      expect(await delegator.list()).toHaveLength(1)
    },
  )

  it('P2: a single delegation and a batch of the same goal are different work', async () => {
    const delegator = await open()
    const call = { idempotencyKey: 'k', runner: polite }
    await delegator.dispatch({ ...call, goal: 'a' })
    expect(refused(await delegator.dispatchBatch({ ...call, goals: ['a'] })).refusal?.code).toBe('KEY_REUSED')
  })

  it('P2: without a key the same call is new work', async () => {
    const delegator = await open()
    const first = await delegator.dispatch({ goal: 'a', runner: quick })
    const second = await delegator.dispatch({ goal: 'a', runner: quick })
    expect(idOf(second)).not.toBe(idOf(first))
  })

  it('P2: a key holds for seven days, also after retention dropped its unit', async () => {
    const clock = manualClock()
    const ledger: typeof memoryLedger = (given) => memoryLedger({ ...given, retainedUnits: 0 })
    const delegator = await open({ clock, ledger })
    const call = { goal: 'a', idempotencyKey: 'k', runner: quick }
    const first = await delegator.dispatch(call)
    await delegator.wait(idOf(first))
    expect(await delegator.list()).toEqual([])
    clock.advance(weekMs - 1000)
    expect(await delegator.dispatch(call)).toEqual(first)
    expect(refused(await delegator.dispatch({ ...call, goal: 'b' })).refusal?.code).toBe('KEY_REUSED')
    clock.advance(1000)
    expect(idOf(await delegator.dispatch(call))).not.toBe(idOf(first))
  })

  it('R15: a refused dispatch leaves its key unused', async () => {
    const delegator = await open({ maxUnits: 1 })
    const first = await delegator.dispatch({ goal: 'a', runner: polite })
    refused(await delegator.dispatch({ goal: 'b', idempotencyKey: 'k', runner: quick }))
    await delegator.interrupt(idOf(first))
    await delegator.wait(idOf(first))
    idOf(await delegator.dispatch({ goal: 'c', idempotencyKey: 'k', runner: quick }))
  })
})
