import { describe, expect, it } from 'vitest'
import {
  childRuns,
  gate,
  idOf,
  manualClock,
  open,
  polite,
  quick,
  temporaryFolder,
} from '../runtime/support.js'
import { join } from 'node:path'
import { sqliteLedger } from '../../src/index.js'
import { openTools } from './support.js'

describe('delegate_task_async and check_task_status', () => {
  it('a local task is in_progress, then completed with its result', async () => {
    const opened = gate()
    const tools = await openTools(
      {},
      { runner: () => opened.promise.then(() => ({ summary: 'the answer' })) },
    )
    const { data } = await tools.call('delegate_task_async', { task: 'find it', context: 'here' })
    expect(data).toMatchObject({ success: true, workspace_id: 'local', status: 'delegated' })
    expect(data['note']).toContain('End your turn now')
    const id = data['task_id'] as string
    const status = () => tools.call('check_task_status', { task_id: id, workspace_id: 'local' })
    expect((await status()).data).toMatchObject({ status: 'in_progress', state: 'running' })
    opened.open()
    await tools.delegator.wait(id)
    expect((await status()).data).toMatchObject({
      status: 'completed',
      result: { results: [{ summary: 'the answer' }] },
      guidance: 'Use `result`.',
    })
    const [completion] = await tools.delegator.completions.claim({ sessionKey: 's1' })
    expect(completion?.event.delegation_id).toBe(id)
  })

  it('an end that is no success is failed, with its cause; a unit of one counts like a batch', async () => {
    const tools = await openTools(
      {},
      {
        runner: () => {
          throw new Error('no such file')
        },
      },
    )
    const outcome = await tools.delegator.dispatch({ goal: 'g', sessionKey: 's1' })
    const id = outcome.status === 'dispatched' ? outcome.delegationId : ''
    await tools.delegator.wait(id)
    const { isError, data } = await tools.call('check_task_status', { task_id: id })
    expect(isError).toBe(false)
    expect(data).toMatchObject({ status: 'failed', state: 'error' })
    expect(data['error']).toContain('no such file')
  })

  it("someone else's id is answered as one that never was", async () => {
    const tools = await openTools()
    for (const sessionKey of ['s2', '']) {
      const theirs = await tools.delegator.dispatch({ goal: 'g', sessionKey })
      const id = theirs.status === 'dispatched' ? theirs.delegationId : ''
      await tools.delegator.wait(id)
      for (const taskId of [id, 'deleg_never']) {
        const { isError, data } = await tools.call('check_task_status', { task_id: taskId })
        expect(isError).toBe(true)
        expect(data).toEqual({
          error: `Task not found: ${taskId}.`,
          task_id: taskId,
          workspace_id: 'local',
          status: 'not_found',
        })
      }
    }
    expect((await tools.call('check_task_status', {})).data).toEqual({ error: "'task_id' is required." })
  })
})

describe('a call that was split into groups', () => {
  const tasks = [
    { goal: 'read the first file', group: 'a' },
    { goal: 'read the second file' },
    { goal: 'read the third file', group: 'a' },
  ]

  it('its id answers for all of its units, and has ended when they have', async () => {
    const opened = gate()
    const runner = (task: { goal: string }) =>
      task.goal.includes('second') ? opened.promise.then(() => ({ summary: 'two' })) : { summary: 'done' }
    const tools = await openTools({}, { runner, independentCompletions: true })
    const { data } = await tools.call('delegate_task', { tasks })
    const id = data['delegation_id'] as string
    const units = data['units'] as { delegation_id: string }[]
    expect(data['subagent_ids']).toEqual([`${id}-1:0`, `${id}-2:1`, `${id}-1:2`])
    await tools.delegator.wait(units[0]!.delegation_id)
    const status = () => tools.call('check_task_status', { task_id: id })
    expect((await status()).data).toMatchObject({
      status: 'in_progress',
      units: [
        { delegation_id: `${id}-1`, group: 'a', task_indexes: [0, 2], status: 'completed' },
        { delegation_id: `${id}-2`, group: null, task_indexes: [1], status: 'in_progress' },
      ],
    })
    opened.open()
    await tools.delegator.wait(units[1]!.delegation_id)
    expect((await status()).data).toMatchObject({
      status: 'completed',
      result: {
        results: [
          { task_index: 0, summary: 'done' },
          { task_index: 1, summary: 'two' },
          { task_index: 2, summary: 'done' },
        ],
      },
    })
    const foreign = await openTools({ delegator: tools.delegator, sessionKey: 's2' })
    const { data: theirs } = await foreign.call('check_task_status', { task_id: id })
    expect(theirs['status']).toBe('not_found')
  })

  it('has failed only when all of its units have', async () => {
    const runner = (task: { goal: string }) => {
      throw new Error(`no ${task.goal}`)
    }
    const tools = await openTools({}, { runner, independentCompletions: true })
    const { data } = await tools.call('delegate_task', { tasks })
    for (const { delegation_id } of data['units'] as { delegation_id: string }[])
      await tools.delegator.wait(delegation_id)
    const status = await tools.call('check_task_status', { task_id: data['delegation_id'] })
    expect(status.data).toMatchObject({ status: 'failed', error: expect.any(String) as string })
  })
})

it('with an empty session key a unit belongs to its delegator, not to the process', async () => {
  const ledger = sqliteLedger(join(temporaryFolder(), 'ledger.db'))
  const [one, two] = [await open({ ledger, runner: quick }), await open({ ledger, runner: quick })]
  const id = idOf(await one.dispatch({ goal: 'g', sessionKey: '' }))
  await one.wait(id)
  const statusFor = async (delegator: typeof one) =>
    (await (await openTools({ delegator, sessionKey: '' })).call('check_task_status', { task_id: id })).data[
      'status'
    ]
  expect((await two.get(id)).owner_pid).toBe(process.pid)
  expect(await statusFor(one)).toBe('completed')
  expect(await statusFor(two)).toBe('not_found')
})

describe('the actions of delegate_task (spec 4.8)', () => {
  it('list has those of this conversation; steer and stop reach one child', async () => {
    const tools = await openTools({}, { runner: polite })
    const goals = ['read the first file', 'read the second file']
    const { data } = await tools.call('delegate_task', { tasks: goals.map((goal) => ({ goal })) })
    const id = data['delegation_id'] as string
    await tools.delegator.dispatch({ goal: 'theirs', sessionKey: 's2' })
    const listed = (await tools.call('delegate_task', { action: 'list' })).data
    expect(listed).toMatchObject({
      count: 2,
      subagents: goals.map((goal, i) => ({ goal, subagent_id: `${id}:${i}` })),
    })
    const steer = { action: 'steer', subagent_id: `${id}:0`, message: 'hurry' }
    expect((await tools.call('delegate_task', steer)).data).toMatchObject({ status: 'queued' })
    const stop = { action: 'stop', subagent_id: `${id}:1` }
    expect((await tools.call('delegate_task', stop)).data).toMatchObject({ status: 'interrupt_requested' })
    expect((await tools.delegator.get(id)).children.map(({ state }) => state)).toEqual([
      'running',
      'interrupted',
    ])
  })

  it('list says how long each has run, and what is known of whether it hears what it is told', async () => {
    const clock = manualClock()
    const tools = await openTools({}, { runner: polite, clock, maxConcurrentChildren: 1 })
    const runs = childRuns(tools.delegator)
    await tools.delegator.dispatchBatch({ goals: ['the first', 'the second'], sessionKey: 's1' })
    await runs
    clock.advance(12_345)
    expect((await tools.call('delegate_task', { action: 'list' })).data).toMatchObject({
      subagents: [
        { status: 'running', running_seconds: 12.35, accepting_steer: 'unknown' },
        { status: 'waiting', running_seconds: 0, accepting_steer: false },
      ],
    })
  })

  it('a handle has the ids for it, and where each writes its transcript', async () => {
    const folder = temporaryFolder()
    const tools = await openTools({}, { runner: quick, transcripts: { folder } })
    const { data } = await tools.call('delegate_task', { goal: 'g' })
    const id = data['delegation_id'] as string
    expect(data).toMatchObject({
      subagent_ids: [`${id}:0`],
      control_hint: expect.stringContaining("'steer'") as string,
      live_transcripts: { 0: join(folder, id, 'task-0.log') },
      live_transcripts_hint: expect.any(String) as string,
    })
    await tools.delegator.wait(id)
  })

  it("unknown, foreign, ended and ambiguous ids are not in this conversation's tree", async () => {
    const tools = await openTools({}, { runner: polite })
    const theirs = await tools.delegator.dispatch({ goal: 'theirs', sessionKey: 's2' })
    const foreign = theirs.status === 'dispatched' ? theirs.delegationId : ''
    const tasks = [{ goal: 'read the first file' }, { goal: 'read the second file' }]
    const own = (await tools.call('delegate_task', { tasks })).data['delegation_id'] as string
    for (const subagent_id of ['deleg_never:0', `${foreign}:0`, own, `${own}:9`]) {
      const { data } = await tools.call('delegate_task', { action: 'stop', subagent_id })
      expect(data['error']).toMatch(/^No live subagent '.*' in this conversation's spawn tree/)
    }
    expect((await tools.call('delegate_task', { action: 'stop' })).data['error']).toContain(
      "needs a 'subagent_id'",
    )
    const wordless = await tools.call('delegate_task', { action: 'steer', subagent_id: `${own}:0` })
    expect(wordless.data['error']).toContain("needs a 'message'")
    expect(tools.delegator.activeCount()).toBe(2)
  })
})
