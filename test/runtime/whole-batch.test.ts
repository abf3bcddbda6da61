import { describe, expect, it } from 'vitest'
import { gate, idOf, open } from './support.js'

describe('batches as one function (R31)', () => {
  it('R31: what it returns is delivered: entries verbatim, duration and error its own', async () => {
    const delegator = await open({ maxUnits: 1 })
    const batch = await delegator.dispatchBatch({
      goals: ['a', 'b'],
      run: async () => ({
        results: [
          { task_index: 0, status: 'success', summary: 'one', extra: { kept: true } },
          { task_index: 1, status: 'odd word', error: 'broke' },
        ],
        total_duration_seconds: 12.5,
        error: 'half of it',
      }),
    })
    expect(await delegator.wait(idOf(batch))).toMatchObject({
      status: 'completed',
      error: 'half of it',
      total_duration_seconds: 12.5,
      results: [
        { task_index: 0, status: 'success', summary: 'one', extra: { kept: true } },
        { task_index: 1, status: 'odd word', error: 'broke' },
      ],
    })
    expect(await delegator.capacity()).toMatchObject({ inUse: 0 })
  })

  it('R35: empty results are completed, also beside an error', async () => {
    const delegator = await open()
    const batch = await delegator.dispatchBatch({
      goals: ['a'],
      run: () => ({ results: [], error: 'none ran' }),
    })
    expect(await delegator.wait(idOf(batch))).toMatchObject({
      status: 'completed',
      results: [],
      error: 'none ran',
    })
    const nothing = await delegator.dispatchBatch({ goals: ['a'], run: () => undefined })
    expect(await delegator.wait(idOf(nothing))).toMatchObject({
      status: 'completed',
      results: [],
      error: null,
    })
  })

  it('R36: what it throws is the error of the unit', async () => {
    const delegator = await open()
    const batch = await delegator.dispatchBatch({
      goals: ['a', 'b'],
      run: async () => {
        throw new RangeError('no agents left')
      },
    })
    expect(await delegator.wait(idOf(batch))).toMatchObject({
      status: 'error',
      results: [],
      error: 'RangeError: no agents left',
      total_duration_seconds: expect.any(Number) as number,
    })
  })

  it('P4: interrupted within the grace it keeps what it returns', async () => {
    const delegator = await open()
    const started = gate()
    const batch = await delegator.dispatchBatch({
      goals: ['a'],
      run: async ({ signal }) => {
        started.open()
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        return { results: [{ task_index: 0, status: 'interrupted', summary: 'half' }] }
      },
    })
    await started.promise
    expect(await delegator.interrupt(idOf(batch))).toMatchObject({ signalled: 1, stopped: 1 })
    expect(await delegator.wait(idOf(batch))).toMatchObject({
      status: 'error',
      results: [{ status: 'interrupted', summary: 'half' }],
    })
  })

  it('P6: one that does not stop ends as interrupted when its grace does, and keeps its slot', async () => {
    const delegator = await open()
    const held = gate()
    const batch = await delegator.dispatchBatch({ goals: ['a', 'b'], run: async () => held.promise })
    expect(await delegator.interrupt(idOf(batch), { reason: 'stop', graceMs: 20 })).toMatchObject({
      unreachable: 1,
    })
    expect(await delegator.wait(idOf(batch))).toMatchObject({ status: 'interrupted', results: [] })
    expect((await delegator.capacity()).holders).toMatchObject([{ delegation_id: idOf(batch) }])
    held.open()
  })

  it('R40: its record names its goals, while it runs and after', async () => {
    const delegator = await open()
    const held = gate()
    const batch = await delegator.dispatchBatch({ goals: ['a', 'b'], run: async () => held.promise })
    const shown = async () =>
      (await delegator.get(idOf(batch))).children.map(({ goal, state }) => ({ goal, state }))
    expect(await shown()).toEqual([
      { goal: 'a', state: 'running' },
      { goal: 'b', state: 'running' },
    ])
    held.open()
    await delegator.wait(idOf(batch))
    expect(await shown()).toEqual([
      { goal: 'a', state: 'completed' },
      { goal: 'b', state: 'completed' },
    ])
  })
})
