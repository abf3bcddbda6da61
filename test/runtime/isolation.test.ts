import { describe, expect, it } from 'vitest'
import type { DelegatorOptions, DispatchOptions, RunnerReference } from '../../src/index.js'
import { childRuns, codeOf, fixture, idOf, open, openWithLedger, refused } from './support.js'

const tells = (placement?: RunnerReference['placement']): RunnerReference =>
  fixture('tellsProcess', placement === undefined ? {} : { placement })

describe("isolation: 'process'", () => {
  it.each<[string, DelegatorOptions, Partial<DispatchOptions>, boolean]>([
    ['nobody asks for it', {}, { runner: tells() }, false],
    ['its reference says so', {}, { runner: tells('process') }, true],
    ['the delegator says so', { isolation: 'process' }, { runner: tells() }, true],
    [
      'the delegator says so, of an isolated one',
      { isolation: 'process' },
      { runner: tells('isolated') },
      true,
    ],
    ['the call says so', {}, { runner: tells(), isolation: 'process' }, true],
    ['the call takes it back', { isolation: 'process' }, { runner: tells(), isolation: 'thread' }, false],
    ['the reference insists', {}, { runner: tells('process'), isolation: 'thread' }, true],
    ['its placement is another', { isolation: 'process' }, { runner: tells('shared') }, false],
    ['it is named', { isolation: 'process', runners: { named: tells() } }, { runner: 'named' }, true],
  ])('P7: a child runs in a process of its own where %s', async (_when, options, call, isApart) => {
    const delegator = await open(options)
    const id = idOf(await delegator.dispatch({ goal: 'g', ...call }))
    const event = await delegator.wait(id)
    expect(event).toMatchObject({ status: 'completed' })
    expect(event.summary === String(process.pid)).toBe(!isApart)
  })

  it('P6: a child inside one native call is stopped for certain, and its slot is free', async () => {
    const { delegator } = await openWithLedger({ maxUnits: 1, isolation: 'process' })
    const started = childRuns(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'g', runner: fixture('native') }))
    await started
    const report = await delegator.interrupt(id, { reason: 'enough', graceMs: 50 })
    expect(report).toEqual({ signalled: 1, stopped: 0, escalated: 1, unreachable: 0, units: 1 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted' })
    expect(await delegator.capacity()).toMatchObject({ inUse: 0, free: 1, holders: [] })
  })

  it('P4: a child that ends within the grace keeps its result', async () => {
    const delegator = await open({ interruptGraceMs: 30_000 })
    const started = childRuns(delegator)
    const runner = fixture('finishes', { placement: 'process' })
    const id = idOf(await delegator.dispatch({ goal: 'the work', runner }))
    await started
    expect(await delegator.interrupt(id)).toMatchObject({ stopped: 1, escalated: 0 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'all of the work' })
  })

  it('P1: processes count as threads do: what needs more than there may be is refused', async () => {
    const delegator = await open({ maxUnits: 3, maxThreads: 2, isolation: 'process' })
    const runner = fixture('polite')
    idOf(await delegator.dispatchBatch({ goals: ['a', 'b'], runner }))
    const outcome = refused(await delegator.dispatch({ goal: 'c', runner, isolation: 'thread' }))
    expect(outcome.refusal).toMatchObject({ code: 'THREADS', limit: 2, inUse: 2 })
    await delegator.interruptAll()
    const id = idOf(await delegator.dispatch({ goal: 'd', runner: fixture('default') }))
    expect(await delegator.wait(id)).toMatchObject({ summary: 'did d' })
  })

  it('what is neither thread nor process is refused before anything is admitted', async () => {
    await expect(open({ isolation: 'jail' as never })).rejects.toThrow(TypeError)
    const delegator = await open()
    const call = { goal: 'g', runner: tells() }
    expect(await codeOf(delegator.dispatch({ ...call, isolation: 'jail' as never }))).toBe('OPTION_INVALID')
    const runner = { ...tells(), placement: 'proces' as never }
    expect(await codeOf(delegator.dispatch({ goal: 'g', runner }))).toBe('RUNNER_INVALID')
    expect(delegator.activeCount()).toBe(0)
  })
})
