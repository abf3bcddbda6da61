import { expect, it } from 'vitest'
import type { ActivityTouch, Runner } from '../../src/index.js'
import { childRuns, gate, idOf, manualClock, next, open, polite } from './support.js'

/** Reports a tool, and goes on until it is interrupted. */
const inTool: Runner = (task, ctx) => {
  ctx.progress({ current_tool: 'terminal' })
  return polite(task, ctx)
}

it('spec 4.7: a running child touches the activity clock of its session every 30 s, until it ends', async () => {
  const clock = manualClock()
  const touches: ActivityTouch[] = []
  const opened = gate()
  const delegator = await open({
    clock,
    runner: () => opened.promise.then(() => ({ summary: 'done' })),
    onActivity: (touch) => void touches.push(touch),
  })
  const runs = childRuns(delegator)
  const id = idOf(await delegator.dispatch({ goal: 'read\n the log', sessionKey: 's1' }))
  await runs
  clock.advance(29_999)
  expect(touches).toEqual([])
  clock.advance(1)
  const touch = { session_key: 's1', delegation_id: id, task_index: 0, description: 'subagent: read the log' }
  expect(touches).toEqual([touch])
  clock.advance(30_000)
  expect(touches).toEqual([touch, touch])
  opened.open()
  await delegator.wait(id)
  clock.advance(30_000)
  clock.advance(30_000)
  expect(touches).toHaveLength(2)
})

it('says which tool it is in; one that has fallen silent touches nothing any more', async () => {
  const clock = manualClock()
  const touches: string[] = []
  const delegator = await open({
    clock,
    runner: inTool,
    // A look that never comes: what is silent stays, and is not stopped.
    stall: { sweepSeconds: 1e6, inToolSeconds: 100 },
    onActivity: ({ description }) => void touches.push(description),
  })
  const reported = next(delegator, 'progress')
  const runs = childRuns(delegator)
  await delegator.dispatch({ goal: 'build' })
  await runs
  clock.advance(1_000)
  await reported
  for (let n = 0; n < 10; n += 1) clock.advance(30_000)
  expect(touches).toEqual(Array.from({ length: 3 }, () => 'subagent: build (terminal)'))
})

it('what the host throws is a fault, and stops neither the child nor the clock', async () => {
  const clock = manualClock()
  const faults: string[] = []
  let calls = 0
  const delegator = await open({
    clock,
    runner: polite,
    onActivity: () => {
      calls += 1
      throw new Error('the host is odd')
    },
  })
  delegator.events.on('fault', ({ message }) => faults.push(message))
  const runs = childRuns(delegator)
  await delegator.dispatch({ goal: 'g' })
  await runs
  clock.advance(30_000)
  clock.advance(30_000)
  expect(calls).toBe(2)
  expect(faults).toEqual(['the host is odd', 'the host is odd'])
  expect(delegator.activeCount()).toBe(1)
})
