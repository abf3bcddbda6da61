import { describe, expect, it } from 'vitest'
import type { BatchEvent, Runner } from '../../src/index.js'
import {
  childRuns,
  completionsOf,
  faulty,
  fileGate,
  fixture,
  gate,
  idOf,
  next,
  open,
  polite,
  quick,
} from './support.js'

describe('batches', () => {
  it('R32, P2: a batch of any width takes one slot, one id, and yields one event', async () => {
    const delegator = await open({ maxUnits: 1 })
    const told = completionsOf(delegator)
    const goals = Array.from({ length: 25 }, (_, n) => `goal ${n}`)
    const held = gate()
    const batch = await delegator.dispatchBatch({ goals, runner: async () => held.promise })
    expect(await delegator.capacity()).toMatchObject({ inUse: 1, holders: [{ delegation_id: idOf(batch) }] })
    held.open()
    const event = (await delegator.wait(idOf(batch))) as BatchEvent
    expect(event.results.map(({ task_index }) => task_index)).toEqual(goals.map((_, n) => n))
    expect(told).toEqual([event])
    expect(await delegator.completions.claim()).toHaveLength(1)
  })

  it('R32, P2: ten thousand children are one batch like any other', async () => {
    const delegator = await open({ maxUnits: 1, maxUnitSummaryCharacters: 0 })
    const goals = Array.from({ length: 10_000 }, (_, n) => `goal ${n}`)
    const runner = fixture('echo', { placement: 'shared' })
    const batch = await delegator.dispatchBatch({ goals, runner })
    const event = (await delegator.wait(idOf(batch))) as BatchEvent
    expect(event.results.map(({ summary }) => summary)).toEqual(goals)
  })

  it('R37: its event has exactly the sixteen fields of the original, and event_id and seq', async () => {
    const delegator = await open()
    const batch = await delegator.dispatchBatch({ goals: ['a', 'b'], runner: quick, model: 'm' })
    const event = await delegator.wait(idOf(batch))
    expect(Object.keys(event).sort()).toEqual(
      [
        ...['type', 'delegation_id', 'session_key', 'goal', 'goals', 'context', 'toolsets', 'role', 'model'],
        ...[
          'status',
          'is_batch',
          'results',
          'error',
          'total_duration_seconds',
          'dispatched_at',
          'completed_at',
        ],
        ...['event_id', 'seq'],
      ].sort(),
    )
    expect(event).toMatchObject({ type: 'async_delegation', is_batch: true, goals: ['a', 'b'], model: 'm' })
    expect(event).toMatchObject({ event_id: idOf(batch), error: null, role: 'leaf' })
  })

  it('P2: maxConcurrentChildren bounds how many children of a unit run at once, and uses it', async () => {
    const delegator = await open({ maxConcurrentChildren: 3 })
    let running = 0
    let most = 0
    const runner: Runner = async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 10))
      running -= 1
    }
    const goals = Array.from({ length: 10 }, (_, n) => `goal ${n}`)
    await delegator.wait(idOf(await delegator.dispatchBatch({ goals, runner })))
    expect(most).toBe(3)
  })

  it('P2: children in threads are bounded likewise, and the next starts when one ends', async () => {
    const delegator = await open({ maxConcurrentChildren: 2 })
    const [first, second, third] = [0, 1, 2].map((index) => childRuns(delegator, index))
    const file = fileGate()
    const released = fixture('untilFile', { options: { path: file.path } })
    const batch = await delegator.dispatchBatch({
      tasks: [{ goal: 'a' }, { goal: 'b', runner: released }, { goal: 'c' }, { goal: 'd' }],
      runner: fixture('polite'),
    })
    const states = async () => (await delegator.get(idOf(batch))).children.map(({ state }) => state)
    await Promise.all([first, second])
    expect(await states()).toEqual(['running', 'running', 'waiting', 'waiting'])
    file.open()
    await third
    expect(await states()).toEqual(['running', 'completed', 'running', 'waiting'])
  })

  it('P2: each task may have its own runner, context, role and model', async () => {
    const delegator = await open({ runners: { named: fixture('echo') } })
    const batch = await delegator.dispatchBatch({
      context: 'shared',
      model: 'm',
      runner: fixture('echo'),
      tasks: [
        { goal: 'a' },
        { goal: 'b', context: 'own', role: 'orchestrator', model: 'other', runner: 'named' },
        { goal: 'c', runner: (task) => ({ summary: `inline ${task.context}` }) },
        { goal: 'd', runner: faulty('throwsError') },
      ],
    })
    expect(await delegator.wait(idOf(batch))).toMatchObject({
      status: 'completed',
      results: [
        { summary: 'a', task: { context: 'shared', role: 'leaf', model: 'm', taskIndex: 0 }, model: 'm' },
        {
          summary: 'b',
          task: { context: 'own', role: 'orchestrator', model: 'other', taskIndex: 1 },
          model: 'other',
        },
        { summary: 'inline shared', status: 'completed' },
        { status: 'error', error: 'RangeError: out of range', summary: null },
      ],
    })
  })

  it('P2: results are in the order of the goals, whoever ends first', async () => {
    const delegator = await open()
    const gates = [gate(), gate(), gate()]
    const runner: Runner = async (task) => {
      await gates[task.taskIndex]!.promise
      return { summary: task.goal }
    }
    const batch = await delegator.dispatchBatch({ goals: ['a', 'b', 'c'], runner })
    for (const index of [2, 0, 1]) {
      const ended = next(
        delegator,
        'child',
        (child) => child.task_index === index && child.result !== undefined,
      )
      gates[index]!.open()
      await ended
    }
    const event = (await delegator.wait(idOf(batch))) as BatchEvent
    expect(event.results.map(({ summary }) => summary)).toEqual(['a', 'b', 'c'])
  })

  const joins = [
    [['ok', 'fail'], 'completed'],
    [['fail', 'fail'], 'error'],
    [['polite', 'polite'], 'error'],
    [['ok', 'polite'], 'completed'],
  ] as const

  it.each(joins)('R35: children that end as %j make the batch %s', async (goals, status) => {
    const delegator = await open()
    const ended = goals.map((goal, index) =>
      next(
        delegator,
        'child',
        ({ task_index, state }) =>
          task_index === index && (goal === 'polite' ? state === 'running' : state !== 'running'),
      ),
    )
    const batch = await delegator.dispatchBatch({ goals, runner: fixture('byGoal') })
    await Promise.all(ended)
    if (goals.some((goal) => goal === 'polite')) await delegator.interrupt(idOf(batch))
    expect((await delegator.wait(idOf(batch))).status).toBe(status)
  })

  it('P5: what finished survives an interrupt of its batch, with its result', async () => {
    const delegator = await open()
    const done = next(
      delegator,
      'child',
      ({ task_index, result }) => task_index === 0 && result !== undefined,
    )
    const started = next(
      delegator,
      'child',
      ({ task_index, state }) => task_index === 1 && state === 'running',
    )
    const batch = await delegator.dispatchBatch({
      goals: ['ok', 'deaf', 'polite'],
      runner: fixture('byGoal'),
    })
    await Promise.all([done, started])
    await delegator.interrupt(idOf(batch), { reason: 'enough', graceMs: 300 })
    expect(await delegator.wait(idOf(batch))).toMatchObject({
      status: 'completed',
      results: [
        { status: 'completed', summary: 'did ok', api_calls: 2 },
        { status: 'interrupted', summary: null, error: expect.stringContaining('enough') as string },
        { status: 'interrupted', summary: 'half of polite' },
      ],
    })
  })

  it('P5: a result is in the record as soon as its child ended, while siblings run', async () => {
    const delegator = await open()
    const done = next(
      delegator,
      'child',
      ({ task_index, result }) => task_index === 0 && result !== undefined,
    )
    const batch = await delegator.dispatchBatch({
      tasks: [
        { goal: 'a', runner: quick },
        { goal: 'b', runner: polite },
      ],
    })
    await done
    const { children, status } = await delegator.get(idOf(batch))
    expect(status).toBe('running')
    expect(children.map(({ state }) => state)).toEqual(['completed', 'running'])
  })
})

describe('batches: the label', () => {
  const labelOf = async (goals: string[]): Promise<string> => {
    const delegator = await open()
    const batch = await delegator.dispatchBatch({ goals, run: () => ({ results: [] }) })
    const event = (await delegator.wait(idOf(batch))) as BatchEvent
    expect(event.goals).toEqual(goals)
    expect(await delegator.get(idOf(batch))).toMatchObject({ goal: event.goal, goals, is_batch: true })
    return event.goal
  }

  it('R33: of one goal it is the goal', async () => {
    expect(await labelOf(['only this, whole, however long it may be: '.repeat(3)])).toBe(
      'only this, whole, however long it may be: '.repeat(3),
    )
  })

  it('R33: of many it is their count and their beginnings', async () => {
    expect(await labelOf(['x'.repeat(41), 'b'])).toBe(`2 parallel subagents: ${'x'.repeat(40)}; b`)
  })

  it('R33: of none, which only the whole-batch form allows, it is a count of 0', async () => {
    expect(await labelOf([])).toBe('0 parallel subagents: ')
  })

  it('R33: the goals are a copy', async () => {
    const delegator = await open()
    const goals = ['a', 'b']
    const batch = await delegator.dispatchBatch({ goals, runner: polite })
    goals.push('c')
    expect((await delegator.get(idOf(batch))).goals).toEqual(['a', 'b'])
  })

  it('R33: a single delegation has neither goals nor is_batch', async () => {
    const delegator = await open()
    const record = await delegator.get(idOf(await delegator.dispatch({ goal: 'a', runner: polite })))
    expect(record).not.toHaveProperty('goals')
    expect(record).not.toHaveProperty('is_batch')
  })
})
