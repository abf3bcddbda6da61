import { describe, expect, it } from 'vitest'
import { createDelegator, type Delegator } from '../../src/index.js'
import { childRuns, codeOf, completionsOf, fixture, gate, idOf, open, polite, quick } from './support.js'

describe('close', () => {
  it('P6: interrupts what runs, waits for its ends, and tells them', async () => {
    const delegator = await open({ maxUnits: 9 })
    const told = completionsOf(delegator)
    const running = childRuns(delegator)
    await delegator.dispatch({ goal: 'a', runner: fixture('polite') })
    await delegator.dispatch({ goal: 'b', runner: polite })
    await delegator.dispatchBatch({ goals: ['c', 'd'], runner: fixture('deaf') })
    await running
    await delegator.close({ graceMs: 300 })
    expect(told.map(({ goal, status }) => `${goal} ${status}`).sort()).toEqual([
      '2 parallel subagents: c; d error',
      'a interrupted',
      'b interrupted',
    ])
    expect(delegator.activeCount()).toBe(0)
  })

  it('P6: is idempotent: the same promise, also from within what it causes', async () => {
    const delegator = await open()
    let inner: Promise<void> | null = null
    await delegator.dispatch({ goal: 'a', runner: polite })
    delegator.events.on('child', () => void (inner ??= delegator.close()))
    const first = delegator.close()
    expect(delegator.close()).toBe(first)
    await first
    expect(inner).toBe(first)
    expect(delegator.close()).toBe(first)
  })

  it('P1: afterwards, and from its first moment, a dispatch throws CLOSED', async () => {
    const delegator = await open()
    const closing = delegator.close()
    const call = { goal: 'a', runner: quick }
    expect(await codeOf(delegator.dispatch(call))).toBe('CLOSED')
    expect(await codeOf(delegator.dispatchBatch({ goals: ['a'], runner: quick }))).toBe('CLOSED')
    await closing
    expect(await codeOf(delegator.dispatch(call))).toBe('CLOSED')
  })

  it('P6: afterwards whatever is asked says that the delegator is closed', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: quick }))
    await delegator.wait(id)
    const [claimed] = await delegator.completions.claim()
    await delegator.close()
    const { completions } = delegator
    const calls: Record<string, () => Promise<unknown>> = {
      list: () => delegator.list(),
      get: () => delegator.get(id),
      capacity: () => delegator.capacity(),
      wait: () => delegator.wait(id),
      interrupt: () => delegator.interrupt(id),
      interruptForSession: () => delegator.interruptForSession({ all: true }),
      interruptAll: () => delegator.interruptAll(),
      claim: () => completions.claim(),
      ack: () => completions.ack([]),
      release: () => completions.release([]),
      defer: () => completions.defer([]),
      drop: () => completions.drop([]),
      read: () => completions.read(),
      publish: () => completions.publish({ type: 'x', session_key: '' }),
      retry: () => completions.retry([id]),
      dismiss: () => completions.dismiss([id]),
      'the ack of one': () => claimed!.ack(),
      'the renewal of one': () => claimed!.renew(),
    }
    for (const [name, call] of Object.entries(calls)) {
      const error = await call().catch((thrown: unknown) => thrown)
      expect(error, name).toMatchObject({ code: 'CLOSED', message: 'the delegator is closed' })
    }
    expect(await completions.follow().next()).toMatchObject({ done: true })
  })

  it('R15: a dispatch that is under way when it is called leaves nothing that runs', async () => {
    const delegator = await open()
    let calls = 0
    const dispatching = codeOf(delegator.dispatch({ goal: 'a', runner: async () => void (calls += 1) }))
    await delegator.close()
    expect(await dispatching).toBe('CLOSED')
    expect(calls).toBe(0)
  })

  it('P6: a new delegator is not hurt by the end of another', async () => {
    const first = await open()
    const second = await open()
    await first.close()
    expect(
      await second.wait(idOf(await second.dispatch({ goal: 'a', runner: fixture('default') }))),
    ).toMatchObject({
      status: 'completed',
    })
  })

  it('P6: `await using` closes', async () => {
    let kept: Delegator
    const ended = gate<string>()
    {
      await using delegator = await createDelegator()
      kept = delegator
      delegator.events.on('completion', ({ status }) => ended.open(status))
      await delegator.dispatch({ goal: 'a', runner: polite })
    }
    expect(await ended.promise).toBe('interrupted')
    expect(await codeOf(kept.dispatch({ goal: 'b', runner: quick }))).toBe('CLOSED')
  })

  it('P6: nothing was dispatched: it closes at once', async () => {
    const delegator = await open()
    await delegator.close({ graceMs: 600_000 })
  })
})
