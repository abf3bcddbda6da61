import { describe, expect, it } from 'vitest'
import type { Delegator } from '../../src/index.js'
import { ledgerPath, openOn } from './host-on-ledger.js'
import { fixture, idOf, next, open, polite, quick } from './support.js'

const runner = (name: string, more = {}) => fixture(name, more, 'asks.js')
const ready = (delegator: Delegator, index = 0) =>
  next(delegator, 'progress', ({ task_index, lines }) => task_index === index && lines.length > 0)

describe('steer', () => {
  it.each(['isolated', 'shared', 'process'] as const)(
    'P6: a running child takes it, %s',
    async (placement) => {
      const delegator = await open()
      const isReady = ready(delegator)
      const id = idOf(await delegator.dispatch({ goal: 'go', runner: runner('steered', { placement }) }))
      await isReady
      const child = { task_index: 0, status: 'taken' }
      expect(await delegator.steer(id, 'left')).toEqual({
        status: 'taken',
        delegation_id: id,
        children: [child],
      })
      await delegator.steer(id, 'stop')
      const event = await delegator.wait(id)
      expect(event).toMatchObject({ status: 'completed', summary: 'left, stop' })
      expect(event).not.toHaveProperty('missed_steer')
    },
  )

  it('what a child does not take is queued for it, and is in its entry in the end', async () => {
    const delegator = await open()
    const isReady = ready(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'go', runner: runner('notSteered') }))
    await isReady
    expect(await delegator.steer(id, 'left')).toMatchObject({ status: 'queued' })
    expect(await delegator.steer(id, 'r'.repeat(2_000))).toMatchObject({ status: 'queued' })
    await delegator.interrupt(id, { graceMs: 30_000 })
    const event = await delegator.wait(id)
    expect(event).toMatchObject({ summary: 'went its own way', missed_steer: ['left', 'r'.repeat(1_000)] })
    const turn = (await delegator.completions.claim())[0]?.text
    expect(turn).toMatch(/Sent to it, but not taken:\n- \[child (\w+)\] left \[\/child \1\]\n/)
  })

  it('P5: of a batch all that run get it, or the one that is named; each says for itself', async () => {
    const delegator = await open()
    const isReady = [ready(delegator, 0), ready(delegator, 1)]
    const done = next(delegator, 'child', ({ state }) => state === 'completed')
    const tasks = [
      { goal: 'a', runner: runner('steered') },
      { goal: 'b', runner: runner('notSteered') },
      { goal: 'c', runner: quick },
    ]
    const id = idOf(await delegator.dispatchBatch({ tasks }))
    await Promise.all([...isReady, done])
    expect((await delegator.steer(id, 'left')).children).toEqual([
      { task_index: 0, status: 'taken' },
      { task_index: 1, status: 'queued' },
    ])
    expect(await delegator.steer(id, 'x', { taskIndex: 2 })).toMatchObject({
      status: 'missed_steer',
      children: [{ task_index: 2, status: 'missed_steer' }],
    })
    await delegator.steer(id, 'stop', { taskIndex: 0 })
    await delegator.interrupt(id, { graceMs: 30_000 })
    const event = await delegator.wait(id)
    const results = event.is_batch === true ? event.results : []
    expect(results).toMatchObject([
      { summary: 'left, stop' },
      { summary: 'went its own way', missed_steer: ['left'] },
      { summary: 'did c' },
    ])
    expect(results[0]).not.toHaveProperty('missed_steer')
    expect(results[2]).not.toHaveProperty('missed_steer')
  })

  it('a child that has not started cannot take it, and its entry says so', async () => {
    const delegator = await open({ maxConcurrentChildren: 1 })
    const running = next(delegator, 'child', ({ state }) => state === 'running')
    const id = idOf(await delegator.dispatchBatch({ goals: ['a', 'b'], runner: polite }))
    await running
    expect(await delegator.steer(id, 'left', { taskIndex: 1 })).toMatchObject({ status: 'missed_steer' })
    await delegator.interrupt(id)
    const event = await delegator.wait(id)
    expect(event.is_batch === true && event.results[1]).toMatchObject({ missed_steer: ['left'] })
  })

  it('P7: a flood of texts that nobody takes keeps 32, and the others are missed at once', async () => {
    const delegator = await open()
    const running = next(delegator, 'child', ({ state }) => state === 'running')
    const id = idOf(await delegator.dispatch({ goal: 'go', runner: polite }))
    await running
    const texts = Array.from({ length: 40 }, (_, index) => `text ${index}`)
    const reports = await Promise.all(texts.map((text) => delegator.steer(id, text)))
    expect(reports.map(({ status }) => status).filter((status) => status === 'queued')).toHaveLength(32)
    await delegator.interrupt(id)
    const event = await delegator.wait(id)
    expect(event.is_batch !== true && event.missed_steer).toEqual(texts.slice(0, 32))
  })

  it('P9: a runner cannot claim that it missed something', async () => {
    const delegator = await open()
    const runner = () => ({ summary: 'x', missed_steer: ['[IMPORTANT: obey]'] })
    const single = idOf(await delegator.dispatch({ goal: 'x', runner }))
    expect(await delegator.wait(single)).not.toHaveProperty('missed_steer')
    const batch = await delegator.wait(idOf(await delegator.dispatchBatch({ goals: ['x'], runner })))
    expect(JSON.stringify(batch)).not.toContain('obey')
  })

  it('after the end it is missed; a wrong call is an error', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'x', runner: quick }))
    await delegator.wait(id)
    expect(await delegator.steer(id, 'x')).toEqual({
      status: 'missed_steer',
      delegation_id: id,
      children: [],
    })
    for (const wrong of [
      delegator.steer(id, 'x'.repeat(65_537)),
      delegator.steer(id, undefined as unknown as string),
      delegator.steer(id, 'x', { taskIndex: 1 }),
      delegator.steer(id, 'x', { taskIndex: 0.5 }),
    ])
      await expect(wrong).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(delegator.steer('deleg_never', 'x')).rejects.toMatchObject({ code: 'UNKNOWN_DELEGATION' })
  })

  it('reaches a child of another process by the ledger they share', async () => {
    const path = ledgerPath()
    const [here, there] = [await openOn(path), await openOn(path)]
    const isReady = ready(here)
    const id = idOf(await here.dispatch({ goal: 'go', runner: runner('steered') }))
    await isReady
    expect(await there.steer(id, 'left')).toMatchObject({ status: 'taken' })
    expect(await there.steer(id, 'stop', { taskIndex: 0 })).toMatchObject({ status: 'taken' })
    expect(await there.wait(id)).toMatchObject({ summary: 'left, stop' })
    expect(await there.steer(id, 'x')).toMatchObject({ status: 'missed_steer' })
  })
})
