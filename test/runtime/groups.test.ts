import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { BatchTask, Delegator, DispatchBatchOptions } from '../../src/index.js'
import { formatCompletion } from '../../src/index.js'
import {
  codeOf,
  completionsOf,
  fixture,
  gate,
  idOf,
  open,
  openWithLedger,
  polite,
  quick,
  refused,
  temporaryFolder,
} from './support.js'

const task = (goal: string, group?: string): BatchTask => ({ goal, ...(group !== undefined && { group }) })
const tasks = [task('a', 'x'), task('b'), task('c', 'y'), task('d', 'x'), task('e')]

async function split(delegator: Delegator, more: Partial<DispatchBatchOptions> = {}) {
  const outcome = await delegator.dispatchBatch({
    tasks,
    independentCompletions: true,
    runner: quick,
    ...more,
  })
  const id = idOf(outcome)
  return { id, handle: outcome, ids: [1, 2, 3, 4].map((n) => `${id}-${n}`) }
}

describe('a call with independent completions (spec 2.10)', () => {
  it('is a unit for each group, by its first task, and one for each task without; the handle names them', async () => {
    const delegator = await open({ maxUnits: 1 })
    const { id, handle, ids } = await split(delegator)
    expect(handle).toEqual({
      status: 'dispatched',
      delegationId: id,
      units: [
        { delegationId: ids[0], group: 'x', taskIndexes: [0, 3] },
        { delegationId: ids[1], group: null, taskIndexes: [1] },
        { delegationId: ids[2], group: 'y', taskIndexes: [2] },
        { delegationId: ids[3], group: null, taskIndexes: [4] },
      ],
    })
    expect(id).toMatch(/^deleg_[0-9a-f]{20}$/)
  })

  it('P2, P3: each unit has one final event with the goals of the whole call, and indexes within it', async () => {
    const delegator = await open({ maxUnits: 1 })
    const { ids } = await split(delegator)
    const events = await Promise.all(ids.map((id) => delegator.wait(id)))
    const goals = ['a', 'b', 'c', 'd', 'e']
    expect(events).toMatchObject([
      { is_batch: true, goals, group: 'x', task_indexes: [0, 3], goal: '2 parallel subagents: a; d' },
      { is_batch: true, goals, task_indexes: [1], goal: 'b' },
      { is_batch: true, goals, group: 'y', task_indexes: [2] },
      { is_batch: true, goals, task_indexes: [4] },
    ])
    expect(events[1]).not.toHaveProperty('group')
    const results = events.map((event) => (event.is_batch === true ? event.results : []))
    expect(results.map((own) => own.map((entry) => [entry.task_index, entry.summary]))).toEqual([
      [
        [0, 'did a'],
        [3, 'did d'],
      ],
      [[1, 'did b']],
      [[2, 'did c']],
      [[4, 'did e']],
    ])
    const claimed = await delegator.completions.claim({ all: true })
    expect(claimed.map(({ event }) => event.event_id).sort()).toEqual(ids)
  })

  it('P2: they share one slot, which is free when the last of them is gone', async () => {
    const { delegator, ledger } = await openWithLedger({ maxUnits: 1 })
    const doors = tasks.map(() => gate())
    const { id, ids } = await split(delegator, {
      runner: async (of) => {
        await doors[of.taskIndex]?.promise
      },
    })
    expect(await delegator.capacity()).toMatchObject({ inUse: 1, free: 0 })
    expect((await delegator.capacity()).holders.map((holder) => holder.delegation_id)).toEqual(ids)
    for (const [position, own] of [[1], [2], [4], [0, 3]].entries()) {
      expect((await delegator.capacity()).inUse).toBe(1)
      expect(refused(await delegator.dispatch({ goal: 'more', runner: quick })).refusal?.code).toBe(
        'CAPACITY',
      )
      for (const index of own) doors[index]?.open()
      await delegator.wait([`${id}-2`, `${id}-3`, `${id}-4`, `${id}-1`][position] ?? '')
    }
    expect((await delegator.capacity()).inUse).toBe(0)
    expect(await ledger.list({ all: true }, true, { limit: 9 })).toEqual([])
  })

  it('P2: no more children of the call run at once than of any other, and no more threads are used', async () => {
    const delegator = await open({ maxConcurrentChildren: 2 })
    let running = 0
    let most = 0
    const { ids } = await split(delegator, {
      runner: async () => {
        running += 1
        most = Math.max(most, running)
        await new Promise((resolve) => setImmediate(resolve))
        running -= 1
      },
    })
    await Promise.all(ids.map((id) => delegator.wait(id)))
    expect(most).toBe(2)
    const narrow = await open({ maxThreads: 2, maxConcurrentChildren: 2, runner: fixture('default') })
    const outcome = await narrow.dispatchBatch({ tasks, independentCompletions: true })
    expect(outcome.status).toBe('dispatched')
    expect(refused(await narrow.dispatch({ goal: 'more' })).refusal).toMatchObject({
      code: 'THREADS',
      inUse: 2,
    })
  })

  it('R15: is refused as a whole', async () => {
    const { delegator, ledger } = await openWithLedger({ maxUnits: 1 })
    const door = gate()
    const first = idOf(await delegator.dispatch({ goal: 'first', runner: () => door.promise }))
    const outcome = await delegator.dispatchBatch({ tasks, independentCompletions: true, runner: quick })
    expect(refused(outcome).refusal?.code).toBe('CAPACITY')
    expect(await ledger.list({ all: true }, null, { limit: 9 })).toHaveLength(1)
    door.open()
    await delegator.wait(first)
    expect((await delegator.capacity()).inUse).toBe(0)
  })

  it('R18: of units that cannot be handed over nothing is left, not even a slot', async () => {
    const executor = {
      run: () => {
        throw new Error('no thread')
      },
      close: () => Promise.resolve(),
    }
    const { delegator, ledger } = await openWithLedger({ executor, runner: fixture('default') })
    const outcome = await delegator.dispatchBatch({ tasks, independentCompletions: true })
    expect(outcome).toEqual({
      status: 'rejected',
      error: 'Failed to schedule async delegation batch: no thread',
    })
    expect(await ledger.list({ all: true }, null, { limit: 9 })).toEqual([])
    expect((await delegator.capacity()).inUse).toBe(0)
  })

  it('P6: each can be stopped by its id; the id of the call stops what is left of it, and waits for nothing', async () => {
    const delegator = await open({ maxConcurrentChildren: 5, runner: polite })
    const { id, ids } = await split(delegator, { runner: polite })
    const counts = { stopped: 2, escalated: 0, unreachable: 0 }
    expect(await delegator.interrupt(ids[0] ?? '')).toEqual({ signalled: 2, ...counts, units: 1 })
    expect(await delegator.wait(ids[0] ?? '')).toMatchObject({ status: 'error', group: 'x' })
    expect(await delegator.interrupt(id, { taskIndex: 2 })).toMatchObject({ signalled: 1, units: 1 })
    expect(await codeOf(delegator.interrupt(id, { taskIndex: 5 }))).toBe('OPTION_INVALID')
    expect(await delegator.interrupt(id)).toEqual({ signalled: 2, ...counts, units: 2 })
    expect(await delegator.interrupt(id)).toMatchObject({ signalled: 0, units: 0 })
    expect(await codeOf(delegator.interrupt(`${id}-9`))).toBe('UNKNOWN_DELEGATION')
  })

  it('to wait for the call itself, or to look at it, is answered with the ids of its units', async () => {
    const delegator = await open()
    const { id } = await split(delegator)
    const names = {
      code: 'UNKNOWN_DELEGATION',
      message: expect.stringContaining(`4 units, ${id}-1 to ${id}-4`) as string,
    }
    await expect(delegator.wait(id)).rejects.toMatchObject(names)
    await expect(delegator.get(id)).rejects.toMatchObject(names)
  })

  it('a record says which call, which group and which tasks it is, and lists its own children', async () => {
    const delegator = await open()
    const { id, ids } = await split(delegator)
    await delegator.wait(ids[0] ?? '')
    expect(await delegator.get(ids[0] ?? '')).toMatchObject({
      call_id: id,
      group: 'x',
      task_indexes: [0, 3],
      children: [
        { task_index: 0, goal: 'a', state: 'completed' },
        { task_index: 3, goal: 'd', state: 'completed' },
      ],
    })
  })

  it('transcripts are those of each task, by its index within the call', async () => {
    const folder = temporaryFolder()
    const delegator = await open({ transcripts: { folder } })
    const { id, handle, ids } = await split(delegator)
    expect(handle).toMatchObject({
      liveTranscripts: {
        0: `${folder}/${id}-1/task-0.log`,
        3: `${folder}/${id}-1/task-3.log`,
        4: `${folder}/${id}-4/task-4.log`,
      },
    })
    const events = await Promise.all(ids.map((each) => delegator.wait(each)))
    expect(events[2]?.live_transcripts).toEqual({ 2: `${folder}/${id}-3/task-2.log` })
    const paths = Object.values((handle.status === 'dispatched' && handle.liveTranscripts) || {})
    expect(paths).toHaveLength(5)
    await expect.poll(() => paths.every((path) => existsSync(path))).toBe(true)
  })

  it('the same idempotency key gives the same handle; other groups are other work', async () => {
    const delegator = await open({ maxUnits: 2 })
    const { handle } = await split(delegator, { idempotencyKey: 'k' })
    expect((await split(delegator, { idempotencyKey: 'k' })).handle).toEqual(handle)
    const others = tasks.map(({ goal }) => task(goal, 'x'))
    const again = { tasks: others, independentCompletions: true, runner: quick, idempotencyKey: 'k' }
    expect(refused(await delegator.dispatchBatch(again)).refusal?.code).toBe('KEY_REUSED')
  })

  it('a single group keeps the id of the call, and its name', async () => {
    const delegator = await open({ independentCompletions: true, runner: quick })
    const completions = completionsOf(delegator)
    const one = await delegator.dispatchBatch({ tasks: [task('a', 'x'), task('b', 'x')] })
    const plain = await delegator.dispatchBatch({ goals: ['only'] })
    expect(one).not.toHaveProperty('units')
    expect(await delegator.wait(idOf(one))).toMatchObject({ group: 'x', task_indexes: [0, 1] })
    expect(await delegator.wait(idOf(plain))).not.toHaveProperty('task_indexes')
    expect(completions).toHaveLength(2)
  })

  it('without it a group says nothing: one unit, one event', async () => {
    const delegator = await open({ runner: quick })
    const id = idOf(await delegator.dispatchBatch({ tasks }))
    const event = await delegator.wait(id)
    expect(event).not.toHaveProperty('group')
    expect(event).toMatchObject({ event_id: id, results: [{}, {}, {}, {}, {}] })
  })

  it('spec 3.3: the turn counts tasks within the call, and says that others report separately', async () => {
    const delegator = await open()
    const { ids } = await split(delegator)
    const text = formatCompletion(await delegator.wait(ids[0] ?? ''))
    expect(text).toContain('TASK 1/5: a')
    expect(text).toContain('TASK 4/5: d')
    expect(text).toContain('2 of the 5 subagents of a call (group x)')
    await delegator.wait(ids[1] ?? '')
    const [own] = await delegator.completions.claim({ ids: [ids[1] ?? ''] })
    expect(own?.text).toContain('One of the 5 subagents of a call, which')
    expect(own?.text).toContain('TASK 2/5: b')
  })
})

describe('what cannot be split', () => {
  const many = Array.from({ length: 101 }, (_, index) => task(`goal ${index}`))
  it.each([
    ['more units than a call may have', { tasks: many }, 'GROUPS_TOO_MANY'],
    ['a group that is no name', { tasks: [{ goal: 'a', group: 7 }] }, 'OPTION_INVALID'],
    ['a blank group', { tasks: [task('a', ' ')] }, 'OPTION_INVALID'],
    ['a group of more than 200 characters', { tasks: [task('a', 'x'.repeat(201))] }, 'OPTION_INVALID'],
    ['a flag that is none', { tasks, independentCompletions: 'yes' }, 'OPTION_INVALID'],
    [
      'a batch that one function runs',
      { goals: ['a'], runner: undefined, run: () => ({}) },
      'OPTION_INVALID',
    ],
  ])('%s: %s', async (_what, call, code) => {
    const delegator = await open()
    const given = { independentCompletions: true, runner: quick, ...call } as unknown as DispatchBatchOptions
    expect(await codeOf(delegator.dispatchBatch(given))).toBe(code)
    expect(delegator.activeCount()).toBe(0)
  })

  it('a hundred units are not too many', async () => {
    const delegator = await open()
    const call = { tasks: many.slice(1), independentCompletions: true, runner: quick }
    const handle = await delegator.dispatchBatch(call)
    expect(handle.status === 'dispatched' && handle.units).toHaveLength(100)
    await delegator.wait(`${idOf(handle)}-100`)
  })
})
