import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { agentRunner, type AgentRunnerOptions } from '../../src/agent/agent-runner.js'
import type { RunnerReference } from '../../src/index.js'
import type { JsonObject } from '../../src/runner.js'
import { idOf, next, open, temporaryFolder } from '../runtime/support.js'
import { calls, chunk, event, fails, says, serve, staysSilent, type Turn } from './scripted-server.js'
import { quickRetry, runAgent } from './support.js'

const begins: Turn = (response) => event(response, chunk({ content: 'so far so' }))

function runnerAt(baseUrl: string, options: Partial<AgentRunnerOptions> = {}): RunnerReference {
  return agentRunner({ baseUrl, model: 'm', workdir: temporaryFolder(), retry: quickRetry, ...options })
}

describe('an agent that is interrupted', () => {
  it('P6: in mid-stream: the call is aborted, and what was said is kept', async () => {
    const server = await serve(calls(['list_files', {}]), begins)
    const delegator = await open({ interruptGraceMs: 10_000 })
    const said = next(delegator, 'progress', ({ progress }) => progress?.['text'] === 'so far so')
    const runner = runnerAt(server.url)
    const id = idOf(await delegator.dispatch({ goal: 'go', runner }))
    await said
    const report = await delegator.interrupt(id, { reason: 'the user changed their mind' })
    expect(report).toMatchObject({ stopped: 1, escalated: 0 })
    await server.abandoned
    expect(await delegator.wait(id)).toMatchObject({
      status: 'interrupted',
      exit_reason: 'interrupted',
      error: 'the user changed their mind',
      summary: 'so far so',
      api_calls: 1,
      usage: { input_tokens: 100, output_tokens: 10 },
    })
  })

  const moments: [what: string, turns: Turn[], options: Partial<AgentRunnerOptions>, requests: number][] = [
    ['before the answer begins', [staysSilent], {}, 1],
    ['while it waits to try again', [fails(503, 'no')], { retry: { initialMs: 600_000, maxMs: 600_000 } }, 1],
    [
      'while a command runs',
      [calls(['run_command', { command: 'sleep 600' }])],
      { toolsets: ['terminal'] },
      1,
    ],
  ]

  it.each(moments)('P6: %s', async (_what, turns, options, requests) => {
    const server = await serve(...turns)
    const delegator = await open({ interruptGraceMs: 10_000 })
    const runner = runnerAt(server.url, options)
    const inside = next(delegator, 'progress', ({ progress }) =>
      Boolean(
        options.toolsets ? progress?.['current_tool'] : options.retry ? progress?.['retries'] : progress,
      ),
    )
    const id = idOf(await delegator.dispatch({ goal: 'go', runner }))
    await Promise.all([inside, server.received(requests)])
    expect(await delegator.interrupt(id)).toMatchObject({ stopped: 1, escalated: 0 })
    expect(await delegator.wait(id)).toMatchObject({ status: 'interrupted', summary: null })
  })
})

describe('what is seen of an agent while it works', () => {
  it('its calls, its tools, its usage, and when it was last heard of', async () => {
    const server = await serve(calls(['run_command', { command: 'sleep 0.3' }]), says('done'))
    const delegator = await open()
    const seen: JsonObject[] = []
    delegator.events.on('progress', ({ progress }) => {
      if (progress !== null) seen.push(progress)
    })
    const runner = runnerAt(server.url, { toolsets: ['terminal'], prices: { input: 1, output: 1 } })
    expect(runner.reportsProgress).toBe(true)
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'go', runner })))
    // While the model still says which tool it wants, its call is not over.
    const inTool = seen.findLast((progress) => progress['current_tool'] === 'run_command')
    expect(inTool).toMatchObject({
      api_calls: 1,
      usage: { input_tokens: 100, output_tokens: 10, cost_usd: 0.00011 },
    })
    expect(inTool?.['last_activity']).toBeGreaterThan(1_700_000_000)
    expect(seen.at(-1)).toMatchObject({ api_calls: 2, current_tool: null, text: 'done' })
  })

  it('its transcript has who said what, each cut to its bound (spec 4.10)', async () => {
    const folder = temporaryFolder()
    const thinks: Turn = (response, request) => {
      event(response, chunk({ reasoning_content: 'hm' }))
      return calls(['read_file', { path: 'x'.repeat(500) }])(response, request)
    }
    const { event: completion } = await runAgent(
      [fails(503, 'overloaded'), thinks, says('y'.repeat(900))],
      {},
      { goal: 'the goal' },
      { transcripts: { folder } },
    )
    const lines = readFileSync(completion.live_transcripts?.['0'] ?? '', 'utf8').split('\n')
    const line = (role: string): string => lines.find((text) => text.slice(9).startsWith(`${role} |`)) ?? ''
    expect(line('kickoff')).toContain('the goal')
    expect(line('log')).toContain('server_error: HTTP 503: overloaded; tried again in')
    expect(line('thinking')).toContain('hm')
    expect(line('args').length).toBeLessThan(260)
    expect(line('result')).toContain('read_file failed: ')
    expect(line('assistant').length).toBeGreaterThan(600)
    expect(line('assistant').length).toBeLessThan(640)
    expect(line('final')).toContain('end status=completed exit_reason=completed')
  })
})

describe('an agent whose run is taken up by another', () => {
  it('goes on after its last complete iteration, with its account', async () => {
    const checkpoints: JsonObject[] = []
    const server = await serve(
      calls(['write_file', { path: 'a', content: 'b' }]),
      calls(['list_files', {}]),
      says('done'),
    )
    const { runAgent: run } = await import('../../src/agent/agent-child.js')
    const workdir = temporaryFolder()
    const context = (resumeFrom: unknown): Parameters<typeof run>[1] =>
      ({
        options: {
          baseUrl: server.url,
          model: 'm',
          workdir,
          retry: quickRetry,
          prices: { input: 1, output: 1 },
        },
        signal: new AbortController().signal,
        progress: () => undefined,
        log: () => undefined,
        onSteer: () => undefined,
        checkpoint: (state: JsonObject) =>
          void checkpoints.push(JSON.parse(JSON.stringify(state)) as JsonObject),
        resumeFrom,
      }) as unknown as Parameters<typeof run>[1]
    const task = {
      goal: 'go',
      context: null,
      toolsets: null,
      role: 'leaf',
      model: null,
      delegationId: 'd',
      taskIndex: 0,
      sessionKey: '',
      maxIterations: 90,
    }
    expect(await run(task, context(null))).toMatchObject({ summary: 'done', api_calls: 3 })
    expect(checkpoints).toHaveLength(2)

    const again = await serve(says('done again'))
    const resumed = context(checkpoints[0])
    Object.assign(resumed.options as object, { baseUrl: again.url })
    expect(await run(task, resumed)).toMatchObject({
      summary: 'done again',
      api_calls: 2,
      tokens: { input: 200, output: 20 },
      cost_usd: 0.00022,
      tool_trace: [{ tool: 'write_file' }],
    })
    // Word for word what the first run would have said next: a provider's cache still holds it.
    expect(again.requests[0]?.body.messages).toEqual(server.requests[1]?.body.messages)
  })

  it('a state that is none of ours is a fresh start', async () => {
    const { messagesFrom } = await import('../../src/agent/conversation.js')
    for (const state of [
      null,
      5,
      'x',
      {},
      { messages: [] },
      { kind: 'agent-1', messages: [] },
      { kind: 'other', messages: [1] },
    ])
      expect(messagesFrom(state)).toBeNull()
  })

  it('a checkpoint stays within its bound: old results go first', async () => {
    const { checkpointOf } = await import('../../src/agent/conversation.js')
    const result = (value: string) =>
      ({ type: 'tool-result', toolCallId: 'c', toolName: 't', output: { type: 'text', value } }) as const
    const messages = Array.from({ length: 50 }, () => ({
      role: 'tool' as const,
      content: [result('x'.repeat(30_000))],
    }))
    const text = JSON.stringify(checkpointOf(messages))
    expect(text.length).toBeLessThan(900_000)
    expect(text).toContain('[dropped, to make room]')
    expect(checkpointOf([{ role: 'user', content: 'x'.repeat(1_000_000) }])).toBeNull()
  })
})

describe('where an agent runs', () => {
  it.each(['isolated', 'shared', 'process'] as const)('placement %s', async (placement) => {
    const server = await serve(calls(['write_file', { path: 'a', content: 'b' }]), says('done'))
    const workdir = temporaryFolder()
    const delegator = await open()
    const runner = agentRunner({ baseUrl: server.url, model: 'm', workdir }, { placement })
    const id = idOf(await delegator.dispatch({ goal: 'go', runner }))
    expect(await delegator.wait(id)).toMatchObject({ status: 'completed', summary: 'done' })
    expect(existsSync(join(workdir, 'a'))).toBe(true)
  })
})

describe('an agent that cannot begin', () => {
  const cases: [what: string, options: Partial<AgentRunnerOptions>, code: string, message: string][] = [
    [
      'no model',
      { model: undefined as never },
      'AGENT_MODEL_MISSING',
      'neither the task nor the runner names a model',
    ],
    [
      'no key',
      { apiKeyEnv: 'NOT_SET_ANYWHERE' },
      'AGENT_KEY_MISSING',
      'the variable NOT_SET_ANYWHERE, which holds the key, is not set',
    ],
    [
      'no folder',
      { workdir: '/nowhere/at-all' },
      'AGENT_WORKDIR',
      'there is no folder /nowhere/at-all to work in',
    ],
  ]

  it.each(cases)(
    '%s: the code and the thing are named',
    async (_what, { model = 'm', ...options }, code, message) => {
      const server = await serve(says('ok'))
      const delegator = await open()
      const given = { baseUrl: server.url, ...options, ...(code !== 'AGENT_MODEL_MISSING' && { model }) }
      const id = idOf(await delegator.dispatch({ goal: 'go', runner: agentRunner(given) }))
      expect(await delegator.wait(id)).toMatchObject({
        status: 'error',
        error: `AgentError: ${message}`,
        error_detail: { code },
      })
      expect(server.requests).toHaveLength(0)
    },
  )

  it('options that were made by hand are checked in the thread', async () => {
    const delegator = await open()
    const runner = { ...agentRunner({ baseUrl: 'http://localhost/v1' }), options: { baseUrl: 'nowhere' } }
    expect(await delegator.wait(idOf(await delegator.dispatch({ goal: 'go', runner })))).toMatchObject({
      status: 'error',
      error_detail: { code: 'AGENT_OPTIONS_INVALID' },
    })
  })
})
