import { describe, expect, it } from 'vitest'
import type { Delegator, DelegatorOptions, Runner } from '../../src/index.js'
import type { JsonObject } from '../../src/runner.js'
import { attached } from './nested-support.js'
import { childRuns, completionsOf, fileGate, fixture, gate, idOf, next, open, polite } from './support.js'

/** An orchestrator whose goal says what it delegates. */
const orchestrate = (delegate: JsonObject, more: JsonObject = {}) => ({
  role: 'orchestrator',
  goal: JSON.stringify({ delegate, ...more }),
})

interface Told {
  readonly status: string
  readonly delegation_id: string | null
  readonly error: string | null
  readonly results: readonly JsonObject[]
  readonly refusal?: JsonObject
}

/** What the orchestrator was told, as it sums it up. */
async function toldTo(delegator: Delegator, id: string): Promise<Told> {
  const event = await delegator.wait(id)
  if (event.is_batch === true || event.status !== 'completed') throw new Error(JSON.stringify(event))
  return JSON.parse(event.summary ?? '') as Told
}

function openTree(options: DelegatorOptions = {}): Promise<Delegator> {
  return open({ maxDepth: 2, runner: fixture('orchestrates'), ...options })
}

/** Every child below the host's own unit runs. */
const belowRun = (delegator: Delegator, root: () => string, index: number): Promise<unknown> =>
  next(
    delegator,
    'child',
    ({ delegation_id: id, state, task_index: at }) => id !== root() && state === 'running' && at === index,
  )

describe('ctx.delegate', () => {
  it('P2: its results come to the child, one level up, and nothing of them to the host; one slot for all', async () => {
    const delegator = await openTree({ maxUnits: 1 })
    const completions = completionsOf(delegator)
    const outer = await delegator.dispatch(orchestrate({ goals: ['a', 'fail b', 'c'], context: 'all of it' }))
    const id = idOf(outer)
    const told = await toldTo(delegator, id)
    expect(told).toMatchObject({ status: 'completed', error: null })
    expect(told.results).toMatchObject([
      { task_index: 0, status: 'completed', summary: 'did a' },
      { task_index: 1, status: 'error', error: 'RangeError: asked to fail' },
      { task_index: 2, status: 'completed', summary: 'did c' },
    ])
    const claimed = await delegator.completions.claim({ all: true })
    expect(claimed.map(({ event }) => event.delegation_id)).toEqual([id])
    expect(await delegator.completions.read({ all: true })).toHaveLength(1)
    expect(completions.map((event) => event.parent_delegation_id)).toEqual([id, undefined])
    expect(await delegator.get(told.delegation_id ?? '')).toMatchObject({
      parent_id: id,
      parent_task_index: 0,
      status: 'completed',
      delivery_state: null,
    })
    expect(await delegator.list({ parentId: id })).toHaveLength(1)
    expect(await delegator.capacity()).toMatchObject({ inUse: 0, holders: [] })
  })

  it('tasks of their own, a named runner, and a plain function that delegates on the host itself', async () => {
    const asked = gate<JsonObject>()
    const orchestrator: Runner = async (_task, ctx) => {
      const tasks = [
        { goal: 'one', context: 'x', model: 'm' },
        { goal: 'two', runner: 'loud' },
      ]
      asked.open((await ctx.delegate({ tasks, runner: 'quiet' })) as unknown as JsonObject)
    }
    const runners: Record<string, Runner> = {
      quiet: ({ goal, context, model }) => ({ summary: `${goal} ${context} ${model}` }),
      loud: ({ goal, role }) => ({ summary: `${goal.toUpperCase()} ${role}` }),
    }
    const delegator = await open({ maxDepth: 2, runners })
    await delegator.dispatch({ goal: 'g', role: 'orchestrator', runner: orchestrator, model: 'big' })
    expect(await asked.promise).toMatchObject({
      status: 'completed',
      results: [
        { summary: 'one x m', model: 'm' },
        { summary: 'TWO leaf', model: 'big' },
      ],
    })
  })

  it('P2: while it runs the holders of the one slot show the tree', async () => {
    const delegator = await openTree({ maxUnits: 1 })
    let id = ''
    const runs = belowRun(delegator, () => id, 0)
    id = idOf(await delegator.dispatch(orchestrate({ goal: 'polite' })))
    await runs
    const { inUse, holders } = await delegator.capacity()
    const [, below] = holders
    expect(inUse).toBe(1)
    expect(holders).toMatchObject([{ delegation_id: id }, { parent_id: id }])
    const refusal = await delegator.dispatch({ goal: 'more' })
    expect(refusal).toMatchObject({ status: 'rejected', refusal: { code: 'CAPACITY', inUse: 1 } })
    await delegator.interrupt(below?.delegation_id ?? '')
    expect(await toldTo(delegator, id)).toMatchObject({ results: [{ status: 'interrupted' }] })
  })

  it.each([
    ['thread', { goal: 'pid' }],
    ['process', { goal: 'pid' }],
    ['process', { goal: 'x', runner: 'named' }],
  ] as const)('P7: below a %s it runs as well kept apart as its parent: %j', async (isolation, delegate) => {
    const delegator = await openTree({ runners: { named: fixture('tellsProcess') } })
    const outer = await delegator.dispatch({ ...orchestrate(delegate), isolation })
    const { results } = await toldTo(delegator, idOf(outer))
    expect(results[0]?.['summary'] === String(process.pid)).toBe(isolation === 'thread')
  })
})

describe('what a child may not delegate', () => {
  it('P1: without threads for those below it is refused with data, and does not hang', async () => {
    const delegator = await openTree({ maxThreads: 2 })
    const outer = await delegator.dispatch(orchestrate({ goals: ['a', 'b'] }))
    const told = await toldTo(delegator, idOf(outer))
    expect(told).toMatchObject({ status: 'rejected', refusal: { code: 'THREADS', limit: 2, inUse: 1 } })
    expect(await delegator.list()).toHaveLength(1)
  })

  const codeFor = async (
    options: DelegatorOptions,
    call: { goal: string; role?: string },
  ): Promise<unknown> => {
    const delegator = await open({ runner: fixture('orchestrates'), ...options })
    const event = await delegator.wait(idOf(await delegator.dispatch(call)))
    expect(await delegator.list()).toHaveLength(1)
    return event.is_batch === true ? null : event.error_detail?.code
  }

  it('a leaf may not delegate at all', async () => {
    expect(await codeFor({ maxDepth: 9 }, { goal: 'delegate' })).toBe('NOT_ORCHESTRATOR')
  })

  it("nobody may where the host's kill switch is off, whatever its role", async () => {
    const options = { maxDepth: 9, orchestratorEnabled: false }
    expect(await codeFor(options, orchestrate({ goal: 'a' }))).toBe('NOT_ORCHESTRATOR')
  })

  it('nobody may by default, and nobody deeper than `maxDepth`', async () => {
    expect(await codeFor({}, orchestrate({ goal: 'a' }))).toBe('DEPTH_LIMIT')
    const delegator = await openTree()
    const inner = orchestrate({ goal: 'too deep' })
    const { results } = await toldTo(
      delegator,
      idOf(await delegator.dispatch(orchestrate({ tasks: [inner] }))),
    )
    expect(results).toMatchObject([{ status: 'error', error_detail: { code: 'DEPTH_LIMIT' } }])
    expect(results[0]?.['error']).toContain('depth: 2, max_spawn_depth: 2')
  })

  it.each([
    ['nothing', {}, 'OPTION_INVALID'],
    ['two kinds of goals', { goal: 'a', goals: ['b'] }, 'OPTION_INVALID'],
    ['a blank goal', { goal: ' ' }, 'GOAL_BLANK'],
    ['no goals', { goals: [] }, 'GOALS_EMPTY'],
    ['goals that are no list', { goals: 'a' }, 'GOALS_NOT_A_LIST'],
    ['a task without a goal', { tasks: [{ context: 'x' }] }, 'GOAL_MISSING'],
    ['a session of another one', { goal: 'a', sessionKey: 'theirs' }, 'OPTION_INVALID'],
    ['another key in a task', { tasks: [{ goal: 'a', group: 'x' }] }, 'OPTION_INVALID'],
    ['code of its own', { goal: 'a', runner: { url: 'data:text/javascript,' } }, 'RUNNER_INVALID'],
    ['code of its own for a task', { tasks: [{ goal: 'a', runner: { url: 'data:' } }] }, 'RUNNER_INVALID'],
    ['a runner that nobody configured', { goal: 'a', runner: 'nobody' }, 'RUNNER_UNKNOWN'],
    ['a budget of 0', { goal: 'a', budget: { tokens: 0 } }, 'OPTION_INVALID'],
    ['a schema that is none', { goal: 'a', outputSchema: { type: 7 } }, 'SCHEMA_INVALID'],
    ['a time below 0', { goal: 'a', childTimeoutSeconds: -1 }, 'OPTION_INVALID'],
    ['a toolset it does not have', { goal: 'a', toolsets: ['web', 'shell'] }, 'OPTION_INVALID'],
  ])('it rejects %s with its code, and starts nothing', async (_what, delegate, code) => {
    const call = { ...orchestrate(delegate), toolsets: ['web'] }
    expect(await codeFor({ maxDepth: 2 }, call)).toBe(code)
  })
})

describe('a stop of a tree', () => {
  it('P6: counts each live child once, and what is below ends before its parent, which still sums it up', async () => {
    const delegator = await openTree({ interruptGraceMs: 20_000 })
    let id = ''
    const run = Promise.all([0, 1].map((index) => belowRun(delegator, () => id, index)))
    id = idOf(await delegator.dispatch(orchestrate({ goals: ['polite a', 'polite b'] })))
    await run
    const report = await delegator.interrupt(id, { reason: 'enough' })
    expect(report).toEqual({ signalled: 3, stopped: 3, escalated: 0, unreachable: 0, units: 2 })
    const told = await toldTo(delegator, id)
    expect(told.results).toMatchObject([
      { status: 'interrupted', summary: 'half of polite a', error: 'enough' },
      { status: 'interrupted', summary: 'half of polite b' },
    ])
  })

  it('P6: by force, within the grace and a second: busy loops, deaf promises, whatever their depth', async () => {
    const delegator = await openTree({ maxDepth: 3 })
    let id = ''
    const inner = orchestrate({ goals: ['busy', 'deaf'] })
    const seen = new Set<string>()
    const allRun = next(delegator, 'child', ({ delegation_id, task_index, state }) => {
      if (state === 'running') seen.add(`${delegation_id} ${task_index}`)
      return seen.size === 4
    })
    id = idOf(await delegator.dispatch(orchestrate({ tasks: [inner] })))
    await allRun
    const before = performance.now()
    const report = await delegator.interruptAll('enough', { graceMs: 1_000 })
    const tookMs = performance.now() - before
    expect(report.signalled).toBe(4)
    expect(report.units).toBe(3)
    expect(report.unreachable).toBe(0)
    // Those in between end by themselves once what they wait for has been ended by force.
    expect(report).toMatchObject({ escalated: 2, stopped: 2 })
    expect(tookMs).toBeLessThan(2_000)
    await delegator.wait(id)
    expect(await delegator.capacity()).toMatchObject({ inUse: 0 })
  })

  it('what is delegated after the stop inherits it: nothing of it is started', async () => {
    const delegator = await openTree({ interruptGraceMs: 20_000 })
    const runs = childRuns(delegator)
    const id = idOf(await delegator.dispatch(orchestrate({ goals: ['a', 'b'] }, { first: 'wait' })))
    await runs
    const report = await delegator.interrupt(id)
    expect(report).toEqual({ signalled: 1, stopped: 1, escalated: 0, unreachable: 0, units: 1 })
    expect(await toldTo(delegator, id)).toMatchObject({
      status: 'interrupted',
      delegation_id: null,
      results: [
        { task_index: 0, status: 'interrupted' },
        { task_index: 1, status: 'interrupted' },
      ],
    })
    expect(await delegator.list()).toHaveLength(1)
  })

  it.each(['leave', 'exit', 'loop'])('nothing below outlives a child that ends: %s', async (then) => {
    const file = fileGate()
    const runner = fixture('orchestrates', { options: { path: file.path } })
    const delegator = await openTree({ runner, interruptGraceMs: 300 })
    let id = ''
    const runs = belowRun(delegator, () => id, 0)
    const call = { ...orchestrate({ goal: 'deaf' }, { then }), childTimeoutSeconds: then === 'loop' ? 1 : 0 }
    id = idOf(await delegator.dispatch(call))
    await runs
    const [below] = await delegator.list({ parentId: id })
    const ended = next(delegator, 'completion', ({ delegation_id }) => delegation_id === below?.delegation_id)
    file.open()
    expect(await delegator.wait(id)).toMatchObject({
      status: { leave: 'completed', exit: 'error', loop: 'timeout' }[then],
    })
    expect(await ended).toMatchObject({ results: [{ status: 'interrupted' }] })
    await attached(delegator, 0)
    expect(await delegator.completions.read({ all: true })).toHaveLength(1)
  })

  it('who waits for units below it is not stalled, however long', async () => {
    const stall = { idleSeconds: 0.2, inToolSeconds: 0.2, graceSeconds: 0.1, sweepSeconds: 0.05 }
    const delegator = await openTree({ stall })
    const call = orchestrate({ goal: 'sleep 1000' }, { first: 'progress' })
    expect(await toldTo(delegator, idOf(await delegator.dispatch(call)))).toMatchObject({
      status: 'completed',
    })
  })

  it('P6: processes of those below die with them, stopped ones too', async () => {
    const delegator = await openTree()
    const spawned = next(delegator, 'progress', ({ progress }) => Array.isArray(progress?.['pids']))
    const id = idOf(await delegator.dispatch(orchestrate({ goal: 'stopped' })))
    const pids = (await spawned).progress?.['pids'] as readonly number[]
    expect(pids).toHaveLength(2)
    const report = await delegator.interrupt(id, { graceMs: 1_000 })
    expect(report).toMatchObject({ signalled: 2, unreachable: 0 })
    await delegator.wait(id)
    await expect.poll(() => pids.filter(isRunning), { timeout: 5_000 }).toEqual([])
  })
})

describe('a stop of one child', () => {
  it('leaves its siblings alone, and counts that child and what is below it', async () => {
    const delegator = await openTree({ interruptGraceMs: 20_000, maxThreads: 9 })
    let id = ''
    const run = Promise.all([
      belowRun(delegator, () => id, 0),
      next(delegator, 'child', ({ task_index, state }) => task_index === 1 && state === 'running'),
    ])
    const tasks = [orchestrate({ goal: 'polite' }), { goal: 'polite sibling' }]
    id = idOf(await delegator.dispatchBatch({ tasks }))
    await run
    const report = await delegator.interrupt(id, { taskIndex: 0 })
    expect(report).toEqual({ signalled: 2, stopped: 2, escalated: 0, unreachable: 0, units: 2 })
    expect(await delegator.get(id)).toMatchObject({
      status: 'running',
      children: [{ state: 'completed' }, { state: 'running' }],
    })
    await delegator.interrupt(id, { taskIndex: 1 })
    expect(await delegator.wait(id)).toMatchObject({
      status: 'completed',
      results: [{ status: 'completed' }, { status: 'interrupted' }],
    })
  })

  it.each([-1, 2, 0.5, 'one', Number.NaN])(
    'OPTION_INVALID names an index that is none: %s',
    async (taskIndex) => {
      const delegator = await open({ runner: polite })
      const id = idOf(await delegator.dispatchBatch({ goals: ['a', 'b'] }))
      const stop = delegator.interrupt(id, { taskIndex: taskIndex as number })
      await expect(stop).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('from 0 to 1') as string,
      })
      expect(await delegator.get(id)).toMatchObject({
        children: [{ state: 'running' }, { state: 'running' }],
      })
    },
  )

  it('one function that runs a whole batch cannot be stopped in part', async () => {
    const delegator = await open()
    const id = idOf(
      await delegator.dispatchBatch({
        goals: ['a', 'b'],
        run: ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
      }),
    )
    await expect(delegator.interrupt(id, { taskIndex: 1 })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    expect(await delegator.interrupt(id)).toMatchObject({ signalled: 1 })
  })
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
