import { describe, expect, it } from 'vitest'
import type { Runner } from '../../src/index.js'
import type { DelegateCall, JsonObject } from '../../src/runner.js'
import { idOf, open } from './support.js'

/** Delegates what its goal says, spends until it is stopped, or says how many turns it has. */
const tree: Runner = async (task, ctx) => {
  if (task.role === 'orchestrator') {
    return { summary: JSON.stringify(await ctx.delegate(JSON.parse(task.goal) as DelegateCall)) }
  }
  if (task.goal !== 'spend') return { summary: `${task.maxIterations} turns` }
  ctx.progress({ usage: { input_tokens: 50 } })
  await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
  return { status: 'interrupted', summary: 'a part' }
}

async function delegated(call: DelegateCall) {
  const delegator = await open({ maxDepth: 2, runner: tree, interruptGraceMs: 500 })
  const outer = { goal: JSON.stringify(call), role: 'orchestrator', maxIterations: 7 }
  const event = await delegator.wait(idOf(await delegator.dispatch({ ...outer, budget: { tokens: 100 } })))
  if (event.is_batch === true) throw new Error('a single unit was dispatched')
  return { event, told: JSON.parse(event.summary ?? '') as JsonObject }
}

describe('limits of a nested unit', () => {
  it('a budget of its own stops it alone, and what it used counts above it', async () => {
    const { event, told } = await delegated({ goals: ['spend', 'count'], budget: { tokens: 10 } })
    expect(told).toMatchObject({
      status: 'completed',
      results: [{ status: 'interrupted', exit_reason: 'budget', summary: 'a part' }, { summary: '7 turns' }],
    })
    expect(event).toMatchObject({ status: 'completed', usage: { input_tokens: 50 } })
  })

  it('a budget that does not fit into what is left above it is refused, as data', async () => {
    const { told } = await delegated({ goal: 'count', budget: { tokens: 1_000 } })
    expect(told).toMatchObject({ status: 'rejected', refusal: { code: 'BUDGET', limit: 100, wanted: 1_000 } })
  })

  it("its children have as many turns as the child that started them, or as the call says, or their task's", async () => {
    const tasks = [{ goal: 'count' }, { goal: 'count', maxIterations: 2 }]
    const { told } = await delegated({ tasks, maxIterations: 3 })
    expect(told).toMatchObject({ results: [{ summary: '3 turns' }, { summary: '2 turns' }] })
  })
})
