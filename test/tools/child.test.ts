/** Tools in the hands of a child. */
import { expect, it } from 'vitest'
import { createTools, toolPrompt } from '../../src/tools/tools.js'
import type { RunnerContext, RunnerTask } from '../../src/runner.js'
import { childRuns, idOf, open, polite } from '../runtime/support.js'
import { openTools } from './support.js'

it('what it is told fits one who waits: no background, no later turn', async () => {
  const delegate = () => Promise.resolve({ status: 'completed', results: [], error: null })
  const tools = await openTools({ child: { depth: 1, delegate } }, { maxDepth: 2 })
  const names = (await tools.list()).map(({ name }) => name)
  expect(names).toContain('delegate_task')
  expect(names).not.toContain('delegate_task_async')
  const text = `${await toolPrompt(tools)} ${JSON.stringify((await tools.list()).map(({ description }) => description))}`
  expect(text).not.toMatch(/new turn|end your turn|in the background/i)
  expect(text).toContain('wait for their results')
  expect((await tools.call('delegate_task_async', { task: 't' })).isError).toBe(true)
})

it('a host whose results are asked for is not told of new turns', async () => {
  const tools = await openTools({ dispatchNote: 'Ask with `collect`.' })
  expect(await toolPrompt(tools)).not.toMatch(/new turn/)
  expect(await toolPrompt(await openTools())).toMatch(/end your turn/)
})

it('lists and stops what runs below it, and nothing of its siblings', async () => {
  const seen: unknown[] = []
  const delegator = await open({
    maxDepth: 2,
    runner: async (task: RunnerTask, ctx: RunnerContext) => {
      if (!task.goal.startsWith('look')) return polite(task, ctx)
      const { delegationId, taskIndex } = task
      const tools = createTools({
        delegator,
        sessionKey: 's1',
        child: { depth: 1, delegate: ctx.delegate, delegationId, taskIndex },
      })
      const runs = childRuns(delegator)
      const below = tools.call('delegate_task', { goal: 'below' })
      await runs
      const { data } = await tools.call('delegate_task', { action: 'list' })
      const subagents = data['subagents'] as unknown as { goal: string; subagent_id: string }[]
      seen.push(subagents.map(({ goal }) => goal))
      for (const id of [`${victim}:0`, ...subagents.map(({ subagent_id: own }) => own)])
        seen.push((await tools.call('delegate_task', { action: 'stop', subagent_id: id })).isError)
      seen.push((await tools.call('check_task_status', { task_id: victim })).data['status'])
      await below
      return { summary: 'ok' }
    },
  })
  const victimRuns = childRuns(delegator)
  const victim = idOf(await delegator.dispatch({ goal: 'victim', sessionKey: 's1' }))
  await victimRuns
  const looking = { goal: 'look', sessionKey: 's1', role: 'orchestrator' }
  await delegator.wait(idOf(await delegator.dispatch(looking)))
  expect(seen).toEqual([['below'], true, false, 'not_found'])
  expect((await delegator.get(victim)).status).toBe('running')
})
