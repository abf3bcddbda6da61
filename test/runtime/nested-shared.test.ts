import { describe, expect, it } from 'vitest'
import type { Delegator, Dispatched } from '../../src/index.js'
import { ledgerPath, openOn, startHost, type HostOnLedger } from './host-on-ledger.js'
import { attached } from './nested-support.js'
import { idOf } from './support.js'

const sessionKey = 'agent:main:cli:dm:local'

interface ToldChild {
  readonly delegation_id: string
  readonly task_index: number
  readonly state: string
}

/** Another process with a tree: an orchestrator, and two children below it that wait to be stopped. */
async function hostWithTree(path: string, job: Readonly<Record<string, unknown>> = {}) {
  const host = startHost(path, {
    file: 'runners.js',
    export: 'orchestrates',
    options: { maxDepth: 2 },
    call: { role: 'orchestrator' },
    goal: JSON.stringify({ delegate: { goals: ['polite a', 'polite b'] } }),
    ...job,
  })
  const id = idOf(await host.said<Dispatched>('handle'))
  await belowRuns(host, id, 0)
  await belowRuns(host, id, 1)
  return { host, id }
}

const belowRuns = (host: HostOnLedger, root: string, index: number): Promise<unknown> =>
  host.said<ToldChild>(
    'child',
    ({ delegation_id: id, task_index, state }) => id !== root && task_index === index && state === 'running',
  )

const belowOf = async (delegator: Delegator, parentId: string) =>
  (await delegator.list({ parentId })).map(({ status }) => status).sort()

describe('a tree in another process', () => {
  it.each([
    ['by its id', (here: Delegator, id: string) => here.interrupt(id, { graceMs: 20_000 })],
    ['by its session', (here: Delegator) => here.interruptForSession({ sessionKey }, { graceMs: 20_000 })],
    ['with all others', (here: Delegator) => here.interruptForSession({ all: true }, { graceMs: 20_000 })],
  ])('P6: is stopped from here, each live child counted once: %s', async (_how, stop) => {
    const path = ledgerPath()
    const { id } = await hostWithTree(path)
    const here = await openOn(path)
    expect(await stop(here, id)).toEqual({ signalled: 3, stopped: 3, escalated: 0, unreachable: 0, units: 2 })
    expect(await here.wait(id)).toMatchObject({ status: 'completed' })
    expect(await belowOf(here, id)).toEqual(['error'])
    expect(await here.completions.read({ all: true })).toHaveLength(1)
  })

  it('one child of it can be stopped from here, also several at once, and each caller hears how that went', async () => {
    const path = ledgerPath()
    const { id } = await hostWithTree(path)
    const here = await openOn(path)
    const [below] = await here.list({ parentId: id })
    const stop = (taskIndex: number) =>
      here.interrupt(below?.delegation_id ?? '', { taskIndex, graceMs: 20_000 })
    const one = { signalled: 1, stopped: 1, escalated: 0, unreachable: 0, units: 1 }
    expect(await Promise.all([stop(0), stop(1)])).toEqual([one, one])
    expect(await here.wait(id)).toMatchObject({ status: 'completed' })
    await expect(stop(7)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })

  it('P6: one whose process does not answer is unreachable, with all that is below it', async () => {
    const path = ledgerPath()
    const { id, host } = await hostWithTree(path)
    const here = await openOn(path)
    host.process.kill('SIGSTOP')
    const report = await here.interrupt(id, { graceMs: 0 })
    host.process.kill('SIGCONT')
    expect(report).toEqual({ signalled: 3, stopped: 0, escalated: 0, unreachable: 3, units: 2 })
  })

  it('P3: when its process is killed all of it is unknown; only its root is told of, and no slot is left', async () => {
    const path = ledgerPath()
    const { id, host } = await hostWithTree(path)
    const here = await openOn(path, { maxUnits: 1 })
    expect(await here.capacity()).toMatchObject({ inUse: 1 })
    await host.kill()
    expect(await here.wait(id)).toMatchObject({ status: 'unknown' })
    await attached(here, 0)
    expect(await belowOf(here, id)).toEqual(['unknown'])
    const left = await here.completions.read({ all: true })
    expect(left.map(({ event }) => event.event_id)).toEqual([id])
  })

  it('P6: run again by who adopts, it starts what is below anew, once: the old units are unknown', async () => {
    const path = ledgerPath()
    const runner = { onOwnerDeath: 'retry', idempotent: true }
    const { id, host } = await hostWithTree(path, { runner })
    const here = await openOn(path, { adopt: true, maxDepth: 2, maxUnits: 1, maxThreads: 9 })
    await host.kill()
    await expect.poll(() => belowOf(here, id), { timeout: 15_000 }).toEqual(['running', 'unknown'])
    expect(await here.capacity()).toMatchObject({ inUse: 1 })
    await expect.poll(async () => (await here.interrupt(id, { graceMs: 20_000 })).units).toBe(2)
    expect(await here.wait(id)).toMatchObject({ status: 'completed' })
    await attached(here, 0)
    expect(await belowOf(here, id)).toEqual(['error', 'unknown'])
    expect(await here.completions.read({ all: true })).toHaveLength(1)
  })
})

describe('units of one call in another process', () => {
  it('P2: killed half-way, those that ended stay, the others are unknown, and the slot is free', async () => {
    const path = ledgerPath()
    const tasks = [{ goal: 'ok', group: 'x' }, { goal: 'deaf', group: 'y' }, { goal: 'deaf too' }]
    const call = { tasks, independentCompletions: true }
    const host = startHost(path, { file: 'runners.js', export: 'byGoal', goals: [], call })
    const id = idOf(await host.said<Dispatched>('handle'))
    const here = await openOn(path, { maxUnits: 1 })
    expect(await here.wait(`${id}-1`)).toMatchObject({ status: 'completed', group: 'x' })
    expect(await here.capacity()).toMatchObject({ inUse: 1 })
    await host.kill()
    expect(await here.wait(`${id}-2`)).toMatchObject({
      status: 'unknown',
      group: 'y',
      task_indexes: [1],
      results: [{ task_index: 1, status: 'unknown' }],
    })
    expect(await here.wait(`${id}-3`)).toMatchObject({ status: 'unknown', results: [{ task_index: 2 }] })
    await attached(here, 0)
  })

  it('P6: the id of the call stops them from here', async () => {
    const path = ledgerPath()
    const call = { tasks: [{ goal: 'polite' }, { goal: 'polite' }], independentCompletions: true }
    const host = startHost(path, { file: 'runners.js', export: 'byGoal', goals: [], call })
    const id = idOf(await host.said<Dispatched>('handle'))
    const running = ({ state }: ToldChild) => state === 'running'
    await host.said<ToldChild>('child', (child) => running(child) && child.task_index === 0)
    await host.said<ToldChild>('child', (child) => running(child) && child.task_index === 1)
    const here = await openOn(path)
    const report = await here.interrupt(id, { graceMs: 20_000 })
    expect(report).toEqual({ signalled: 2, stopped: 2, escalated: 0, unreachable: 0, units: 2 })
  })
})
