import { describe, expect, it } from 'vitest'
import { delegationTool } from '../../src/agent/delegation-tool.js'
import type { Delegated, DelegateCall } from '../../src/runner.js'
import { createTools } from '../../src/tools/tools.js'
import { open } from '../runtime/support.js'

/** What both were asked to start, and what both told their model. */
async function both(input: unknown): Promise<{ errors: (string | null)[]; started: unknown[][] }> {
  const delegator = await open({ maxDepth: 3 })
  const started: unknown[][] = [[], []]
  const delegate =
    (at: number) =>
    (call: DelegateCall): Promise<Delegated> => {
      started[at]?.push(call)
      return Promise.resolve({ status: 'completed', results: [], error: null } as unknown as Delegated)
    }
  const registry = createTools({ delegator, sessionKey: 's', child: { depth: 1, delegate: delegate(0) } })
  const { isError, data } = await registry.call('delegate_task', input)
  const own = delegationTool(delegate(1), { levels: 2, tasks: delegator.limits.maxConcurrentChildren })
  const told = await own.run(input, new AbortController().signal).then(
    () => null,
    (error: unknown) => (error as Error).message,
  )
  return { errors: [isError ? (data['error'] as string) : null, told], started }
}

describe("the agent's own delegate_task is the registry's for a child", () => {
  it('with its name, and the same properties of the same types', async () => {
    const delegator = await open({ maxDepth: 3 })
    const child = { depth: 1, delegate: () => Promise.reject(new Error('not called')) }
    const listed = await createTools({ delegator, sessionKey: 's', child }).list()
    const registry = listed.find(({ name }) => name === 'delegate_task')
    const own = delegationTool(child.delegate, { levels: 2, tasks: 3 })
    expect(own.name).toBe(registry?.name)
    const typesOf = (schema: unknown): unknown =>
      JSON.parse(JSON.stringify(schema, (key, value: unknown) => (key === 'description' ? undefined : value)))
    expect(typesOf(await own.schema.jsonSchema)).toEqual(typesOf(registry?.inputSchema))
  })

  it.each([
    { tasks: JSON.stringify([{ goal: 'the first goal' }, { goal: 'the second goal' }]) },
    { goal: 12_345 },
    { task: 'a goal', background: 'yes', workspace_id: 'local' },
    { goal: 'a goal', role: 'orchestrator', context: 7, toolsets: ['terminal'] },
    { goal: 'a goal', role: 'boss', output_schema: '{"type":"object"}' },
    { tasks: [{ goal: 'the first goal', group: 'a', role: 'orchestrator' }, { goal: 'another goal' }] },
  ])('%j is read alike', async (input) => {
    const { errors, started } = await both(input)
    expect(errors).toEqual([null, null])
    expect(started[0]).toHaveLength(1)
    expect(started[1]).toEqual(started[0])
  })

  it.each([
    {},
    [],
    { tasks: 'no JSON' },
    { tasks: 'todo' },
    { tasks: [{ goal: 'todo' }, { goal: 'a goal of some length' }] },
    { tasks: [{ goal: 'write <feature_name> now' }] },
    { tasks: [{ goal: 'short' }, { goal: 'a goal of some length' }] },
    { tasks: [{ goal: 'the first goal' }, {}] },
    { tasks: ['x'] },
    { tasks: Array.from({ length: 50 }, () => ({ goal: 'the same goal' })) },
    { action: 'dance' },
    { action: 'steer', subagent_id: 'x:0' },
    { action: 'steer', message: 'x' },
    { action: 'stop' },
    { action: 'stop', subagent_id: 'x:0' },
  ])('%j is refused in the same words', async (input) => {
    const { errors, started } = await both(input)
    expect(errors[0]).not.toBeNull()
    expect(errors[1]).toBe(errors[0])
    expect(started).toEqual([[], []])
  })
})
