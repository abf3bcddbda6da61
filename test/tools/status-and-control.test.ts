import { describe, expect, it } from 'vitest'
import { gate, polite } from '../runtime/support.js'
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
