import { describe, expect, it } from 'vitest'
import { aiSdkTools, mcpCall } from '../../src/tools/tools.js'
import { childRuns, gate, next, open, polite, quick } from '../runtime/support.js'
import { noPeers, openTools } from './support.js'

describe('a call that waits for its results', () => {
  it('is the only one that gets them: a drain that is there first finds nothing', async () => {
    const delegator = await open({ runner: quick })
    const claimed: unknown[] = []
    const looked = gate()
    // Its own wait comes after the end, and after the drain: a loaded loop does the same.
    const wait: typeof delegator.wait = async (...given) => {
      await looked.promise
      return delegator.wait(...given)
    }
    const tools = await openTools({ acceptsLaterResults: false, delegator: { ...delegator, wait } })
    tools.delegator.events.on('completion', () => {
      void tools.delegator.completions.claim({ all: true }).then((found) => {
        claimed.push(...found)
        looked.open()
      })
    })
    const { data } = await tools.call('delegate_task', { goal: 'look' })
    expect(data).toMatchObject({ results: [{ summary: 'did look' }] })
    expect(claimed).toEqual([])
    expect(await tools.delegator.completions.claim({ sessionKey: 's1' })).toEqual([])
  })

  it('ends what it started when it is aborted; what had ended is in the answer (spec 4.5)', async () => {
    const runner = (task: Parameters<typeof polite>[0], ctx: Parameters<typeof polite>[1]) =>
      task.goal.startsWith('quick') ? { summary: 'done' } : polite(task, ctx)
    const tools = await openTools({ acceptsLaterResults: false }, { runner })
    const ended = next(tools.delegator, 'child', ({ result }) => result !== undefined)
    const runs = childRuns(tools.delegator, 1)
    const aborting = new AbortController()
    const tasks = [{ goal: 'quick as it is' }, { goal: 'very long indeed' }]
    const answer = tools.call('delegate_task', { tasks }, { signal: aborting.signal })
    await Promise.all([runs, ended])
    aborting.abort()
    const { isError, data } = await answer
    expect(isError).toBe(false)
    expect(data).toMatchObject({
      results: [
        { task_index: 0, status: 'completed', summary: 'done' },
        { task_index: 1, status: 'interrupted' },
      ],
    })
    expect(tools.delegator.activeCount()).toBe(0)
  })

  it('aborted before it began it starts nothing', async () => {
    const tools = await openTools({ acceptsLaterResults: false })
    const { isError, data } = await tools.call(
      'delegate_task',
      { goal: 'g' },
      { signal: AbortSignal.abort() },
    )
    expect(isError).toBe(true)
    expect(data['error']).toContain('Nothing was started')
    expect(await tools.delegator.list()).toEqual([])
  })

  it.each(['ai-sdk', 'mcp'])('the signal of %s is heard', async (way) => {
    const tools = await openTools({ acceptsLaterResults: false }, { runner: polite })
    const runs = childRuns(tools.delegator)
    const aborting = new AbortController()
    const { signal } = aborting
    const set = await aiSdkTools(tools)
    const execute = set['delegate_task']!.execute as unknown as (i: unknown, o: object) => Promise<unknown>
    const answer =
      way === 'mcp'
        ? mcpCall(tools, 'delegate_task', { goal: 'g' }, { signal })
        : execute({ goal: 'g' }, { abortSignal: signal })
    await runs
    aborting.abort()
    expect(JSON.stringify(await answer)).toContain('interrupted')
  })

  it('a background call is not bound to the signal of the call that started it', async () => {
    const tools = await openTools({}, { runner: polite })
    const runs = childRuns(tools.delegator)
    const aborting = new AbortController()
    await tools.call('delegate_task', { goal: 'g' }, { signal: aborting.signal })
    await runs
    aborting.abort()
    expect((await tools.call('delegate_task', { action: 'list' })).data).toMatchObject({
      subagents: [{ status: 'running' }],
    })
  })

  it("a peer's reply is waited for with the signal", async () => {
    const seen: unknown[] = []
    const peers = {
      ...noPeers,
      delegate: (...given: unknown[]) => (seen.push(given[2]), Promise.resolve({ reply: 'ok' })),
    }
    const tools = await openTools({ peers: peers })
    const { signal } = new AbortController()
    await tools.call('delegate_task', { workspace_id: 'w1', task: 't' }, { signal })
    expect(seen).toEqual([signal])
  })
})
