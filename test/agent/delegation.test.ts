import { describe, expect, it } from 'vitest'
import { agentRunner, type AgentRunnerOptions } from '../../src/agent/agent-runner.js'
import type { BatchEvent, ChildResult, DelegatorOptions } from '../../src/index.js'
import { idOf, next, open, temporaryFolder } from '../runtime/support.js'
import {
  calls,
  says,
  serve,
  staysSilent,
  type ScriptedServer,
  type SeenRequest,
  type Turn,
} from './scripted-server.js'
import { quickRetry } from './support.js'

const systemOf = ({ body }: SeenRequest): string => body.messages[0]?.content ?? ''
const goalOf = (request: SeenRequest): string => /^# Task\n(.*)$/m.exec(systemOf(request))?.[1] ?? ''
const toolNames = ({ body }: SeenRequest): string[] => (body.tools ?? []).map((tool) => tool.function.name)
const toolResults = ({ body }: SeenRequest): string[] =>
  body.messages.filter(({ role }) => role === 'tool').map(({ content }) => content ?? '')

/** Each child is answered by the script of its goal. */
function byGoal(scripts: Readonly<Record<string, readonly Turn[]>>): Turn {
  const asked = new Map<string, number>()
  return (response, request) => {
    const goal = goalOf(request)
    const turns = scripts[goal] ?? []
    const count = asked.get(goal) ?? 0
    asked.set(goal, count + 1)
    return turns[Math.min(count, turns.length - 1)]?.(response, request)
  }
}

interface Tree {
  readonly server: ScriptedServer
  readonly result: ChildResult
  readonly of: (goal: string) => SeenRequest[]
}

async function runTree(
  scripts: Readonly<Record<string, readonly Turn[]>>,
  options: Partial<AgentRunnerOptions> = {},
  { toolsets, ...more }: DelegatorOptions & { readonly toolsets?: readonly string[] } = {},
): Promise<Tree> {
  const server = await serve(byGoal(scripts))
  const delegator = await open({ maxDepth: 2, spillFolder: temporaryFolder(), ...more })
  const workdir = temporaryFolder()
  const runner = agentRunner({ baseUrl: server.url, model: 'm', workdir, retry: quickRetry, ...options })
  const call = { goals: ['root'], role: 'orchestrator', runner, ...(toolsets && { toolsets }) }
  const event = (await delegator.wait(idOf(await delegator.dispatchBatch(call)))) as BatchEvent
  expect(await delegator.completions.claim()).toHaveLength(1)
  return {
    server,
    result: event.results[0] as ChildResult,
    of: (goal) => server.requests.filter((request) => goalOf(request) === goal),
  }
}

const two = calls([
  'delegate_task',
  { tasks: [{ goal: 'look north', context: 'cold' }, { goal: 'look south' }] },
])

describe('an agent that delegates (spec 4.5)', () => {
  it('waits for its subagents, and their results are its own to sum up: one level, and no other event', async () => {
    const { result, of } = await runTree({
      root: [two, says('both are done')],
      'look north': [says('snow')],
      'look south': [says('sand')],
    })
    expect(result).toMatchObject({ status: 'completed', summary: 'both are done', api_calls: 2 })
    const told = JSON.parse(toolResults(of('root')[1] as SeenRequest)[0] ?? '') as { results: unknown }
    expect(told.results).toMatchObject([
      { task_index: 0, status: 'completed', summary: 'snow', api_calls: 1 },
      { task_index: 1, status: 'completed', summary: 'sand' },
    ])
    expect(systemOf(of('look north')[0] as SeenRequest)).toContain('# Context\ncold')
    expect(systemOf(of('look south')[0] as SeenRequest)).not.toContain('cold')
  })

  it('a single goal, with a schema that its answer has to fit', async () => {
    const output_schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } }
    const { of } = await runTree({
      root: [calls(['delegate_task', { goal: 'count', context: 'all', output_schema }]), says('ok')],
      count: [says('{"n": "many"}'), says('{"n": 3}')],
    })
    expect(of('count')).toHaveLength(2)
    expect(toolResults(of('root')[1] as SeenRequest)[0]).toContain('"summary":"{\\"n\\": 3}"')
  })

  it('no leaf has the tool, nor has the last level, whatever role was asked for', async () => {
    const deeper = calls(['delegate_task', { goal: 'below', role: 'orchestrator' }])
    const scripts = { root: [deeper, says('ok')], below: [deeper, says('did it myself')] }
    const { of } = await runTree(scripts)
    expect(toolNames(of('root')[0] as SeenRequest)).toContain('delegate_task')
    expect(toolNames(of('below')[0] as SeenRequest)).not.toContain('delegate_task')
    expect(toolResults(of('below')[1] as SeenRequest)[0]).toMatch(/^there is no tool "delegate_task"/)
    const flat = await runTree(scripts, {}, { maxDepth: 1 })
    expect(toolNames(flat.of('root')[0] as SeenRequest)).not.toContain('delegate_task')
    const deep = await runTree({ ...scripts, below: [says('ok')] }, {}, { maxDepth: 3 })
    expect(toolNames(deep.of('below')[0] as SeenRequest)).toContain('delegate_task')
  })

  it('the kill switch takes it from all', async () => {
    const { server } = await runTree({ root: [says('alone')] }, { orchestratorEnabled: false })
    expect(toolNames(server.requests[0] as SeenRequest)).not.toContain('delegate_task')
  })

  it('subagents have the toolsets of their parent at most: what a model asks for is not forwarded', async () => {
    const wide = calls(['delegate_task', { goal: 'below', toolsets: ['terminal', 'web'], runner: 'shell' }])
    const { of } = await runTree(
      { root: [wide, says('ok')], below: [says('ok')] },
      { toolsets: ['file', 'terminal', 'web'] },
      { toolsets: ['web'] },
    )
    expect(toolNames(of('root')[0] as SeenRequest)).toEqual(['fetch_url', 'delegate_task'])
    expect(toolNames(of('below')[0] as SeenRequest)).toEqual(['fetch_url'])
  })

  const wrong: [args: object, told: string][] = [
    [{}, "Provide either 'goal' (single task) or 'tasks' (batch)."],
    [{ tasks: [] }, "Provide either 'goal' (single task) or 'tasks' (batch)."],
    [{ tasks: [{ goal: 'a task of its own' }, { goal: ' ' }] }, "Task 1 is missing a 'goal'."],
    [
      { tasks: Array.from({ length: 500 }, () => ({ goal: 'x' })) },
      'Too many tasks: 500 provided, but max_concurrent_children is 3. Split them into several calls',
    ],
    [{ goal: 'x', output_schema: { type: 'nonsense' } }, 'the output schema cannot be used as it is'],
  ]

  it.each(wrong)('%j is told, nothing is started, and it goes on', async (args, told) => {
    const { result, of, server } = await runTree({ root: [calls(['delegate_task', args]), says('ok')] })
    expect(result).toMatchObject({ summary: 'ok', tool_trace: [{ status: 'error' }] })
    expect(toolResults(of('root')[1] as SeenRequest)[0]).toContain(told)
    expect(server.requests).toHaveLength(2)
  })

  it('P1: a refusal is told, with what not to do about it', async () => {
    const { of } = await runTree({ root: [two, says('did it myself')] }, {}, { maxThreads: 1 })
    expect(toolResults(of('root')[1] as SeenRequest)[0]).toMatch(
      /Nothing was started\. Do not retry in a loop/,
    )
  })

  it('what subagents said is bounded, and secrets in it are redacted', async () => {
    const secret = ['sk', 'q9Zb4Xw7Lk2Vn8Rt5Yp3Gs6Hd1Jf0McQe'].join('-')
    const { of } = await runTree({
      root: [two, says('ok')],
      'look north': [says(`the key is ${secret} ${'n'.repeat(20_000)}`)],
      'look south': [says('s'.repeat(20_000))],
    })
    const [told = ''] = toolResults(of('root')[1] as SeenRequest)
    expect(told.length).toBeLessThan(30_000)
    expect(told).not.toContain(secret)
    expect((JSON.parse(told) as { results: unknown[] }).results).toHaveLength(2)
  })

  it('P5: stopped while it waits, it hands up what was finished', async () => {
    const server = await serve(
      byGoal({ root: [two], 'look north': [says('snow')], 'look south': [staysSilent] }),
    )
    const delegator = await open({ maxDepth: 2, interruptGraceMs: 10_000 })
    const runner = agentRunner({ baseUrl: server.url, model: 'm', workdir: temporaryFolder() })
    let root = ''
    const isDone = next(
      delegator,
      'child',
      ({ state, delegation_id }) => state === 'completed' && delegation_id !== root,
    )
    root = idOf(await delegator.dispatch({ goal: 'root', role: 'orchestrator', runner }))
    await Promise.all([isDone, server.received(3)])
    await delegator.interrupt(root)
    const event = await delegator.wait(root)
    expect(event).toMatchObject({ status: 'interrupted' })
    expect(event.is_batch !== true && event.summary).toContain('"summary":"snow"')
  })
})
