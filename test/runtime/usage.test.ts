import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sqliteLedger, type Runner } from '../../src/index.js'
import { ownerIdentity } from '../../src/runtime/owner-identity.js'
import { systemClock } from '../../src/runtime/system-clock.js'
import { draftOf } from '../contract/ledger.js'
import { codeOf, fixture, idOf, open, temporaryFolder } from './support.js'

const using =
  (usage: unknown): Runner =>
  () => ({ summary: 'done', usage: usage as never })

describe('usage in an event', () => {
  it('of a single unit is what its child returned, with whatever else it counts', async () => {
    const delegator = await open()
    const runner = using({ input_tokens: 3, output_tokens: 4, reasoning_tokens: 9 })
    const event = await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner })))
    expect(event.usage).toEqual({ input_tokens: 3, output_tokens: 4, reasoning_tokens: 9 })
  })

  it('of a batch is the sum; each entry has its own; where nobody reported any there is none', async () => {
    const delegator = await open()
    const tasks = [
      { goal: 'a', runner: using({ input_tokens: 3, cost_usd: 0.1 }) },
      { goal: 'b', runner: using({ input_tokens: 4, cost_usd: 0.2 }) },
      { goal: 'c', runner: using('much') },
    ]
    const event = await delegator.wait(idOf(await delegator.dispatchBatch({ tasks })))
    expect(event).toMatchObject({
      usage: { input_tokens: 7, cost_usd: 0.3 },
      results: [{ usage: { input_tokens: 3 } }, { usage: { input_tokens: 4 } }, { usage: 'much' }],
    })
    const none = await delegator.wait(
      idOf(await delegator.dispatchBatch({ goals: ['a'], runner: () => ({ summary: 'x' }) })),
    )
    expect(none).not.toHaveProperty('usage')
  })

  it('of one that said what it used, and then threw, is what it last said', async () => {
    const delegator = await open()
    const runner: Runner = (_task, { progress }) => {
      progress({ usage: { input_tokens: 50 } })
      throw new Error('no')
    }
    const event = await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner })))
    expect(event).toMatchObject({ status: 'error', usage: { input_tokens: 50 } })
  })

  it('R31: of one function for all is what its entries add up to, or what it says itself', async () => {
    const delegator = await open()
    const entries = [
      { task_index: 0, status: 'completed', usage: { input_tokens: 1 } },
      { task_index: 1, status: 'completed', usage: { input_tokens: 2 } },
    ]
    const wait = async (run: () => never) =>
      delegator.wait(idOf(await delegator.dispatchBatch({ goals: ['a', 'b'], run })))
    expect((await wait((() => ({ results: entries })) as never)).usage).toEqual({ input_tokens: 3 })
    const whole = { results: [], usage: { output_tokens: 8 } }
    expect((await wait((() => whole) as never)).usage).toEqual({ output_tokens: 8 })
    const [row] = await delegator.usage()
    expect(row).toMatchObject({ children: 3, input_tokens: 3, output_tokens: 8 })
  })
})

describe('delegator.usage', () => {
  it('adds up by session, model, runner and tree', async () => {
    const delegator = await open({ runners: { dear: using({ input_tokens: 5, cost_usd: 2 }) } })
    const spends = { runner: fixture('spends', {}, 'spends.js'), goal: '10,20,0.5' }
    const named = idOf(await delegator.dispatch({ ...spends, sessionKey: 'one' }))
    await delegator.wait(named)
    await delegator.wait(
      idOf(await delegator.dispatch({ goal: 'b', runner: 'dear', model: 'm', sessionKey: 'two' })),
    )
    const one = { children: 1, api_calls: 2, input_tokens: 10, output_tokens: 20, cost_usd: 0.5 }
    const two = { children: 1, api_calls: 0, input_tokens: 5, output_tokens: 0, cost_usd: 2 }
    expect(await delegator.usage()).toEqual([
      { key: 'two', ...two },
      { key: 'one', ...one },
    ])
    expect(await delegator.usage({ by: 'model' })).toEqual([
      { key: 'm', ...two },
      { key: 'a-model', ...one },
    ])
    const keys = async (by: 'runner' | 'tree') => (await delegator.usage({ by })).map(({ key }) => key)
    expect((await keys('runner'))[1]).toBe('spends#spends')
    expect((await keys('tree'))[1]).toBe(named)
    expect(await delegator.usage({ since: Date.now() / 1000 + 60 })).toEqual([])
  })

  it.each([[{ by: 'day' }], [{ since: 'yesterday' }], [{ since: Number.NaN }], ['session'], [null]])(
    'of %j is OPTION_INVALID',
    async (given) => {
      expect(await codeOf((await open()).usage(given as never))).toBe('OPTION_INVALID')
    },
  )
})

describe('a unit whose process died', () => {
  it('has the usage of its ended children in its event, and its whole reservation counts as used', async () => {
    const path = join(temporaryFolder(), 'ledger.db')
    const ledger = await sqliteLedger(path)({ clock: systemClock, random: () => 0 })
    const { pid } = spawnSync('/bin/true')
    const dead = { ...ownerIdentity('dead', systemClock), pid, startedAt: 1 }
    await ledger.join(dead)
    const draft = draftOf('deleg_dead', 's', { goals: ['a', 'b'], childCount: 2 })
    const admission = await ledger.admit('dead', draft, [
      { counter: 'tokens', amount: 700, limit: 1_000, atSettle: 'actual' },
    ])
    if (admission.status !== 'admitted') throw new Error(admission.status)
    const result = { task_index: 0, status: 'completed', model: 'm', usage: { input_tokens: 40 } }
    await ledger.record(admission.hold, { child: { index: 0, state: 'completed', result } })
    const delegator = await open({ ledger: sqliteLedger(path), budgets: { tokensTotal: 1_000 } })
    const event = await delegator.wait('deleg_dead')
    expect(event).toMatchObject({ status: 'unknown', usage: { input_tokens: 40 } })
    expect(await delegator.usage({ by: 'model' })).toMatchObject([{ key: 'm', input_tokens: 40 }])
    expect(await ledger.usage(['tokens'])).toMatchObject([{ inUse: 700, holders: [] }])
    await ledger.close()
  })
})
