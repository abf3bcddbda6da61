import { describe, expect, it } from 'vitest'
import {
  childRuns,
  completionsOf,
  fixture,
  gate,
  idOf,
  open,
  openWithLedger,
  polite,
  quick,
  until,
} from './support.js'

const zeros = { signalled: 0, stopped: 0, escalated: 0, unreachable: 0, units: 0 }

describe('interrupt (P6)', () => {
  it('R42: a polite child keeps its own result, and changes no status before its end', async () => {
    const delegator = await open()
    const running = childRuns(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: fixture('polite') }))
    await running
    const interrupting = delegator.interrupt(id, { reason: 'no longer needed' })
    expect((await delegator.get(id)).status).toBe('interrupting')
    expect(await interrupting).toEqual({ ...zeros, signalled: 1, stopped: 1, units: 1 })
    expect(await delegator.wait(id)).toMatchObject({
      status: 'interrupted',
      summary: 'half of a',
      error: 'no longer needed',
    })
  })

  it('P4: a result that is returned inside the grace is delivered as it is, whatever it says', async () => {
    const delegator = await open()
    const running = childRuns(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: fixture('finishes') }))
    await running
    expect(await delegator.interrupt(id)).toMatchObject({ signalled: 1, stopped: 1 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'all of a', error: null })
  })

  it('P6: who unwinds by throwing was interrupted, and did not fail', async () => {
    const delegator = await open()
    const running = childRuns(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: fixture('throwsOnStop') }))
    await running
    await delegator.interrupt(id, { reason: 'enough' })
    expect(await delegator.wait(id)).toMatchObject({
      status: 'interrupted',
      error: 'enough',
      exit_reason: 'interrupted',
    })
  })

  it.each(['deaf', 'busy'])(
    'P6: a child that is %s is stopped by force when the grace ends',
    async (name) => {
      const delegator = await open()
      const told = completionsOf(delegator)
      const running = childRuns(delegator)
      const id = idOf(await delegator.dispatch({ goal: 'a', runner: fixture(name) }))
      await running
      const report = await delegator.interrupt(id, { reason: 'enough', graceMs: 150 })
      expect(report).toEqual({ ...zeros, signalled: 1, escalated: 1, units: 1 })
      expect(await delegator.wait(id)).toMatchObject({
        status: 'interrupted',
        summary: null,
        error: 'enough (it did not stop within 0.15 s)',
        exit_reason: 'interrupted',
      })
      expect(await delegator.capacity()).toMatchObject({ inUse: 0, holders: [] })
      expect(told).toHaveLength(1)
    },
  )

  it("P6: the thread that was stopped by force is not the next child's", async () => {
    const delegator = await open({ maxUnits: 1 })
    const running = childRuns(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'busy', runner: fixture('busy') }))
    await running
    await delegator.interrupt(id, { graceMs: 20 })
    const after = await delegator.dispatch({
      goal: 'next',
      admitWithinMs: 60_000,
      runner: fixture('default'),
    })
    expect(await delegator.wait(idOf(after))).toMatchObject({ status: 'completed', summary: 'did next' })
  })

  it('P6: a child is interrupted before its runner is called, and is told so', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: fixture('polite') }))
    expect(await delegator.interrupt(id)).toMatchObject({ signalled: 1, units: 1, unreachable: 0 })
    expect((await delegator.wait(id)).status).toBe('interrupted')
    expect(await delegator.capacity()).toMatchObject({ inUse: 0 })
  })

  it('P6: from within the listener of its own dispatch, it is stopped all the same', async () => {
    const delegator = await open()
    delegator.events.once('dispatched', ({ delegation_id }) => void delegator.interrupt(delegation_id))
    const batch = await delegator.dispatchBatch({ goals: ['a', 'b', 'c', 'd', 'e'], runner: polite })
    expect((await delegator.wait(idOf(batch))).status).toBe('error')
  })

  it('P6: twice at once is one stop: both get the same report', async () => {
    const delegator = await open()
    const running = childRuns(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: fixture('deaf') }))
    await running
    const both = await Promise.all([
      delegator.interrupt(id, { reason: 'first', graceMs: 100 }),
      delegator.interrupt(id, { reason: 'second', graceMs: 60_000 }),
    ])
    expect(both[0]).toEqual({ ...zeros, signalled: 1, escalated: 1, units: 1 })
    expect(both[1]).toEqual(both[0])
    expect((await delegator.wait(id)).error).toBe('first (it did not stop within 0.1 s)')
  })

  it('P6: after the end there is nothing to stop: a report of zeros', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: quick }))
    const event = await delegator.wait(id)
    expect(await delegator.interrupt(id)).toEqual(zeros)
    expect(await delegator.wait(id)).toEqual(event)
  })

  it('P6: an id that never was throws UNKNOWN_DELEGATION', async () => {
    const delegator = await open()
    await expect(delegator.interrupt('deleg_0')).rejects.toMatchObject({
      name: 'DelegationError',
      code: 'UNKNOWN_DELEGATION',
    })
  })

  it('P6: the report is a sum: every live child is stopped, escalated or unreachable', async () => {
    const delegator = await open({ maxConcurrentChildren: 4 })
    const held = gate()
    const shared = { placement: 'shared' } as const
    const tasks = [
      { goal: 'done', runner: quick },
      { goal: 'polite', runner: fixture('polite', shared) },
      { goal: 'deaf', runner: fixture('deaf') },
      { goal: 'plain', runner: async () => held.promise },
      { goal: 'waits', runner: quick },
      { goal: 'waits too', runner: quick },
    ]
    const started = [0, 1, 2, 3].map((index) => childRuns(delegator, index))
    const states: string[] = []
    delegator.events.on('child', ({ task_index, state }) => {
      if (task_index > 3) states.push(`${task_index} ${state}`)
    })
    const batch = await delegator.dispatchBatch({
      tasks: [...tasks.slice(1, 4), { goal: 'p2', runner: polite }, ...tasks.slice(4)],
    })
    await Promise.all(started)
    const report = await delegator.interrupt(idOf(batch), { reason: 'stop', graceMs: 200 })
    expect(report).toEqual({ signalled: 4, stopped: 2, escalated: 1, unreachable: 1, units: 1 })
    expect(states).toEqual(['4 interrupted', '5 interrupted'])
    expect(await delegator.wait(idOf(batch))).toMatchObject({
      results: [
        { status: 'interrupted', summary: 'half of polite' },
        { status: 'interrupted', error: 'stop (it did not stop within 0.2 s)' },
        { status: 'interrupted', error: 'stop (it did not stop within 0.2 s)' },
        { status: 'interrupted', summary: 'half of p2' },
        { status: 'interrupted', error: 'stop (it had not started)', duration_seconds: 0 },
        { status: 'interrupted', error: 'stop (it had not started)' },
      ],
    })
    held.open()
  })
})

describe('a wall clock limit', () => {
  it('P9: childTimeoutSeconds ends a child as timeout, and keeps what its siblings have', async () => {
    const { delegator, ledger } = await openWithLedger({ childTimeoutSeconds: 60, interruptGraceMs: 100 })
    const batch = await delegator.dispatchBatch({
      childTimeoutSeconds: 0.5,
      tasks: [
        { goal: 'a', runner: quick },
        { goal: 'b', runner: fixture('deaf') },
        { goal: 'c', runner: polite },
      ],
    })
    expect(await delegator.wait(idOf(batch))).toMatchObject({
      status: 'completed',
      results: [
        { status: 'completed', summary: 'did a' },
        {
          status: 'timeout',
          error: 'timed out after 0.5 s (it did not stop within 0.1 s)',
          exit_reason: 'timeout',
        },
        { status: 'timeout', summary: 'half of c' },
      ],
    })
    await until(ledger, async () => (await delegator.capacity()).inUse === 0)
  })

  it('P9: of a single delegation the unit ends as timeout; one that ends in time does not', async () => {
    const delegator = await open({ childTimeoutSeconds: 0.1, interruptGraceMs: 50 })
    const late = await delegator.dispatch({ goal: 'a', runner: polite })
    const early = await delegator.dispatch({ goal: 'b', runner: quick })
    expect(await delegator.wait(idOf(late))).toMatchObject({ status: 'timeout', summary: 'half of a' })
    expect(await delegator.wait(idOf(early))).toMatchObject({ status: 'completed' })
  })
})
