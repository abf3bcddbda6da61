import { describe, expect, it } from 'vitest'
import { sqliteLedger, type DelegatorOptions, type Runner } from '../../src/index.js'
import { join } from 'node:path'
import {
  codeOf,
  fixture,
  gate,
  idOf,
  next,
  open,
  openWithLedger,
  polite,
  quick,
  refused,
  temporaryFolder,
} from './support.js'

const spender = (name: string) => fixture(name, {}, 'spends.js')
/** Uses so many tokens, and so many dollars. */
const using =
  (tokens: number, costUsd?: number): Runner =>
  () => ({
    summary: 'done',
    usage: { input_tokens: tokens, ...(costUsd !== undefined && { cost_usd: costUsd }) },
  })

describe.each([
  ['in memory', () => ({})],
  ['in a file', () => ({ ledger: sqliteLedger(join(temporaryFolder(), 'ledger.db')) })],
])('budgets, with a ledger %s:', (_kind, more: () => DelegatorOptions) => {
  const session = { sessionKey: 'agent:main:cli:dm:one' }
  const other = { sessionKey: 'agent:main:cli:dm:two' }

  it('P1: what a call reserves has to fit; the refusal says what is wanted, used, and by whom', async () => {
    const delegator = await open({ ...more(), budgets: { tokensPerSession: 1_000 } })
    const held = gate()
    const runner: Runner = async () => {
      await held.promise
      return { usage: { input_tokens: 40, output_tokens: 60 } }
    }
    const first = idOf(await delegator.dispatch({ goal: 'a', runner, ...session, budget: { tokens: 700 } }))
    const { status, error, refusal } = refused(
      await delegator.dispatch({ goal: 'b', runner: quick, ...session, budget: { tokens: 301 } }),
    )
    expect(status).toBe('rejected')
    expect(error).toContain('reserves 301 tokens, and 300 tokens of 1,000 tokens are left in this session')
    expect(refusal).toMatchObject({
      code: 'BUDGET',
      counter: 'tokens',
      limit: 1_000,
      inUse: 700,
      spent: 0,
      wanted: 301,
      scope: 'session',
      config_key: 'delegation.budgets.tokens_per_session',
      holders: [{ delegation_id: first, goal: 'a' }],
    })
    // Another session has a budget of its own.
    idOf(await delegator.dispatch({ goal: 'c', runner: quick, ...other, budget: { tokens: 1_000 } }))
    held.open()
    await delegator.wait(first)
    // 700 were reserved, 100 used: 900 are left.
    const again = refused(
      await delegator.dispatch({ goal: 'd', runner: quick, ...session, budget: { tokens: 901 } }),
    )
    expect(again.refusal).toMatchObject({ inUse: 100, spent: 100, holders: [] })
    idOf(await delegator.dispatch({ goal: 'e', runner: quick, ...session, budget: { tokens: 900 } }))
  })

  it('money is counted in millionths: ten times a tenth of a dollar is a dollar', async () => {
    const delegator = await open({ ...more(), budgets: { costUsdTotal: 1 } })
    for (let count = 0; count < 10; count += 1) {
      const call = { goal: 'a', runner: using(1, 0.1), budget: { costUsd: 0.1 } }
      await delegator.wait(idOf(await delegator.dispatch(call)))
    }
    const { refusal } = refused(
      await delegator.dispatch({ goal: 'b', runner: quick, budget: { costUsd: 0.000001 } }),
    )
    expect(refusal).toMatchObject({ code: 'BUDGET', counter: 'cost_usd', limit: 1, inUse: 1, spent: 1 })
    expect(refusal?.retry_hint).toContain('Waiting does not help')
  })

  it('P1: of 30 that race for a budget of 10 exactly 10 are admitted, and what was refused started nothing', async () => {
    let started = 0
    const runner: Runner = async (task, ctx) => {
      started += 1
      return polite(task, ctx)
    }
    const delegator = await open({ ...more(), maxUnits: 30, budgets: { tokensTotal: 100 } })
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, () => delegator.dispatch({ goal: 'a', runner, budget: { tokens: 10 } })),
    )
    expect(outcomes.filter(({ status }) => status === 'dispatched')).toHaveLength(10)
    expect(delegator.activeCount()).toBe(10)
    await delegator.interruptAll()
    expect(started).toBe(10)
  })

  it('every child counts for the lifetime of its session, and none is given back', async () => {
    const delegator = await open({ ...more(), maxSpawnsPerSession: 5 })
    await delegator.wait(
      idOf(await delegator.dispatchBatch({ goals: ['a', 'b', 'c'], runner: quick, ...session })),
    )
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'd', runner: quick, ...session })))
    const { error, refusal } = refused(
      await delegator.dispatchBatch({ goals: ['e', 'f'], runner: quick, ...session, admitWithinMs: 60_000 }),
    )
    expect(refusal).toMatchObject({ code: 'BUDGET', counter: 'spawns', limit: 5, spent: 4, wanted: 2 })
    expect(error).toContain('starts 2 children, and 1 children of 5 children are left in this session')
    idOf(await delegator.dispatch({ goal: 'e', runner: quick, ...session }))
    idOf(await delegator.dispatch({ goal: 'f', runner: quick, ...other }))
  })

  it('a bound of 0 refuses everything', async () => {
    for (const options of [
      { maxSpawnsPerSession: 0 },
      { budgets: { tokensTotal: 0 } },
      { budgets: { costUsdPerSession: 0 } },
    ]) {
      const delegator = await open({ ...more(), ...options })
      expect(refused(await delegator.dispatch({ goal: 'a', runner: quick })).refusal?.code).toBe('BUDGET')
    }
  })

  it('a call without a budget reserves what the delegator says, or its share of the bound', async () => {
    const inUse = async (options: DelegatorOptions) => {
      const delegator = await open({ ...more(), ...options })
      idOf(await delegator.dispatch({ goal: 'a', runner: polite }))
      const all = refused(await delegator.dispatch({ goal: 'b', runner: quick, budget: { tokens: 1_000 } }))
      return all.refusal?.inUse
    }
    expect(await inUse({ budgets: { tokensTotal: 1_000, tokensPerUnit: 250 } })).toBe(250)
    expect(await inUse({ maxUnits: 3, budgets: { tokensTotal: 1_000, tokensPerSession: 1_200 } })).toBe(333)
  })

  it('who waits for a slot waits for a budget, too', async () => {
    const delegator = await open({ ...more(), budgets: { tokensTotal: 100 } })
    const held = gate()
    const holding: Runner = async () => {
      await held.promise
      return {}
    }
    idOf(await delegator.dispatch({ goal: 'a', runner: holding, budget: { tokens: 90 } }))
    const call = { goal: 'b', runner: quick, budget: { tokens: 20 }, admitWithinMs: 60_000 }
    const waiting = delegator.dispatch(call)
    held.open()
    expect((await waiting).status).toBe('dispatched')
  })
})

describe('a unit that uses more than it may', () => {
  it('P5: is stopped with the grace; finished siblings keep their results, what waits never starts', async () => {
    const delegator = await open({ maxConcurrentChildren: 2, interruptGraceMs: 5_000 })
    const batch = await delegator.dispatchBatch({
      tasks: [
        { goal: '5,5,0', runner: spender('spends') },
        { goal: 'b', runner: spender('spendsOn') },
        { goal: 'c', runner: spender('spendsOn') },
        { goal: 'd', runner: spender('spendsOn') },
      ],
      budget: { tokens: 400 },
    })
    const event = await delegator.wait(idOf(batch))
    const { results } = event as unknown as { readonly results: readonly Record<string, unknown>[] }
    expect(results[0]).toMatchObject({ status: 'completed', usage: { input_tokens: 5, output_tokens: 5 } })
    const [, stopped, other, last] = results
    expect(stopped).toMatchObject({
      status: 'interrupted',
      exit_reason: 'budget',
      summary: 'half of it',
      budget_exceeded: { counter: 'tokens', limit: 400 },
    })
    expect(stopped?.['error']).toMatch(/^the budget is used up: [\d,]+ tokens of 400 tokens$/)
    expect(other).toMatchObject({ status: 'interrupted', exit_reason: 'budget' })
    expect(last).toMatchObject({ status: 'interrupted', exit_reason: 'budget', summary: null })
    expect(last?.['error']).toContain('(it had not started)')
    const used = results.map(
      ({ usage }) => (usage as { input_tokens?: number } | undefined)?.input_tokens ?? 0,
    )
    expect(event.usage).toMatchObject({ input_tokens: used.reduce((a, b) => a + b), output_tokens: 5 })
    expect(used[1]! + used[2]! + 10).toBeGreaterThan(400)
  })

  it('P2: units of one call share its budget, are stopped together, and give back what they did not use', async () => {
    const delegator = await open({ interruptGraceMs: 5_000, budgets: { tokensTotal: 10_000 } })
    const tasks = [
      { goal: '5,5,0', runner: spender('spends') },
      { goal: 'b', runner: spender('spendsOn') },
      { goal: 'c', runner: spender('spendsOn') },
    ]
    const call = { tasks, independentCompletions: true, budget: { tokens: 500 } }
    const handle = await delegator.dispatchBatch(call)
    if (handle.status === 'rejected') throw new Error(handle.error)
    const ids = (handle.units ?? []).map(({ delegationId }) => delegationId)
    const events = await Promise.all(ids.map((id) => delegator.wait(id)))
    const entries = events.map(
      (event) => (event as unknown as { results: readonly Record<string, unknown>[] }).results[0]!,
    )
    expect(entries.map((entry) => entry['exit_reason'])).toEqual([null, 'budget', 'budget'])
    // One of them may have been stopped before it had said anything.
    const used = events.map(
      ({ usage }) => (usage as { input_tokens?: number } | undefined)?.input_tokens ?? 0,
    )
    const refusal = refused(
      await delegator.dispatch({ goal: 'd', runner: quick, budget: { tokens: 10_000 } }),
    ).refusal
    expect(refusal).toMatchObject({ inUse: used.reduce((a, b) => a + b) + 5, holders: [] })
  })

  it('P6: that does not hear is ended by force, and what it had used is known', async () => {
    const delegator = await open({ interruptGraceMs: 100 })
    const call = { goal: 'a', runner: spender('spendsDeaf'), budget: { costUsd: 0.2 } }
    const event = await delegator.wait(idOf(await delegator.dispatch(call)))
    expect(event).toMatchObject({
      status: 'interrupted',
      exit_reason: 'budget',
      usage: { input_tokens: 700, cost_usd: 0.25 },
      budget_exceeded: { counter: 'cost_usd', limit: 0.2, used: 0.25 },
    })
    expect(event.error).toContain('the budget is used up: 0.25 USD of 0.2 USD')
  })

  it('C1: who returned before it could be stopped has its result, however dear', async () => {
    const delegator = await open({ budgets: { tokensTotal: 1_000 } })
    const call = { goal: 'a', runner: using(5_000), budget: { tokens: 10 } }
    const event = await delegator.wait(idOf(await delegator.dispatch(call)))
    expect(event).toMatchObject({ status: 'completed', summary: 'done', usage: { input_tokens: 5_000 } })
    // What was used counts, and not what was reserved.
    const { refusal } = refused(await delegator.dispatch({ goal: 'b', runner: quick, budget: { tokens: 1 } }))
    expect(refusal).toMatchObject({ inUse: 5_000, spent: 5_000 })
  })

  it('its cause is recorded as one of its own', async () => {
    const { delegator, ledger } = await openWithLedger({ interruptGraceMs: 5_000 })
    const call = { goal: 'a', runner: spender('spendsOn'), budget: { tokens: 150 } }
    const id = idOf(await delegator.dispatch(call))
    await delegator.wait(id)
    expect(await ledger.get(id)).toMatchObject({ state: 'interrupted', cause: 'budget' })
  })

  it('R18: what could not be handed over gives its reservation back', async () => {
    const refusing = {
      run: (): never => {
        throw new Error('no threads today')
      },
      close: () => Promise.resolve(),
    }
    const delegator = await open({
      executor: refusing,
      maxSpawnsPerSession: 1,
      budgets: { tokensTotal: 10 },
    })
    const runner = fixture('default')
    for (let count = 0; count < 3; count += 1) {
      const outcome = refused(await delegator.dispatch({ goal: 'a', runner, budget: { tokens: 10 } }))
      expect(outcome.error).toContain('no threads today')
    }
    idOf(await delegator.dispatch({ goal: 'a', runner: quick, budget: { tokens: 10 } }))
  })
})

describe('at 80 % of a budget', () => {
  it('a unit is warned of once, and so is the session whose use crosses the line', async () => {
    const delegator = await open({ budgets: { tokensPerSession: 1_000 } })
    const warnings: unknown[] = []
    delegator.events.on('budget', (warning) => void warnings.push(warning))
    const step = gate()
    const runner: Runner = async (_task, { progress }) => {
      progress({ usage: { input_tokens: 79 } })
      progress({ usage: { input_tokens: 80 } })
      await step.promise
      return { usage: { input_tokens: 90 } }
    }
    const warned = next(delegator, 'budget')
    const call = { goal: 'a', runner, sessionKey: 's', budget: { tokens: 100 } }
    const first = idOf(await delegator.dispatch(call))
    expect(await warned).toMatchObject({ scope: 'unit', counter: 'tokens', limit: 100, delegation_id: first })
    step.open()
    await delegator.wait(first)
    expect(warnings).toHaveLength(1)
    for (const tokens of [709, 1, 1]) {
      const more = { goal: 'b', runner: using(tokens), sessionKey: 's', budget: { tokens: 100 } }
      await delegator.wait(idOf(await delegator.dispatch(more)))
    }
    expect(warnings.slice(1)).toEqual([
      // Of the unit that used 709 of 100, once.
      expect.objectContaining({ scope: 'unit', used: 709 }),
      {
        scope: 'session',
        counter: 'tokens',
        limit: 1_000,
        used: 800,
        delegation_id: expect.stringMatching(/^deleg_/) as unknown,
        session_key: 's',
        message: 'the session s has used 800 tokens of 1,000 tokens',
      },
    ])
  })

  it('children that are started count at once', async () => {
    const delegator = await open({ maxSpawnsPerSession: 5 })
    const warned = next(delegator, 'budget')
    idOf(await delegator.dispatchBatch({ goals: ['a', 'b', 'c', 'd'], runner: quick, sessionKey: 's' }))
    expect(await warned).toMatchObject({ scope: 'session', counter: 'spawns', limit: 5, used: 4 })
  })
})

describe('a bad budget is said before anything is admitted', () => {
  it.each([
    [{ tokens: 0 }],
    [{ tokens: -1 }],
    [{ tokens: 1.5 }],
    [{ tokens: Number.NaN }],
    [{ tokens: Infinity }],
    [{ tokens: '10' }],
    [{ costUsd: 0 }],
    [{ costUsd: -0.5 }],
    [{ costUsd: Number.NaN }],
    [{ costUsd: '1' }],
    [{ costUsd: 0.0000001 }],
    [{ token: 10 }],
    ['10'],
    [null],
    [[10]],
  ])('budget: %j', async (budget) => {
    const delegator = await open()
    const call = { goal: 'a', runner: quick, budget: budget as never }
    expect(await codeOf(delegator.dispatch(call))).toBe('OPTION_INVALID')
    expect(delegator.activeCount()).toBe(0)
  })

  it.each([
    [{ budgets: { tokensTotal: -1 } }, /`budgets\.tokensTotal` to be a whole number from 0/],
    [{ budgets: { tokensPerUnit: 0 } }, /`budgets\.tokensPerUnit` to be a whole number from 1/],
    [{ budgets: { costUsdTotal: Number.NaN } }, /`budgets\.costUsdTotal` to be a number of dollars/],
    [{ budgets: { costUsdPerSession: '5' } }, /`budgets\.costUsdPerSession`.*got '5'|"5"/],
    [{ budgets: { tokens: 5 } }, /Unknown option `budgets\.tokens`/],
    [{ budgets: 5 }, /`budgets`/],
    [{ maxSpawnsPerSession: -1 }, /`maxSpawnsPerSession` to be a whole number from 0 up, got -1/],
    [{ maxSpawnsPerSession: 1.5 }, /`maxSpawnsPerSession`/],
  ])('%j', async (options, message) => {
    await expect(open(options as never)).rejects.toThrow(message)
  })
})
