import { describe, expect, it } from 'vitest'
import {
  aiSdkTools,
  langchainTools,
  mcpCall,
  mcpTools,
  openAiTools,
  toolPrompt,
  toolSpecs,
  type PeerDirectory,
} from '../../src/tools/tools.js'
import { transientMemoryStore } from '../../src/index.js'
import type { JsonObject } from '../../src/runner.js'
import type { ToolHost } from '../../src/tools/tool-spec.js'
import { filesBelow, read } from '../support/sources.js'
import { quick, open } from '../runtime/support.js'
import { openTools } from './support.js'

const names = toolSpecs.map(({ name }) => name)

describe('one registry, and every consumer has exactly it (R 3.5)', () => {
  it('names are unique, and the sections part the list', () => {
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual([
      'delegate_task',
      'delegate_task_async',
      'check_task_status',
      'list_peers',
      'get_workspace_info',
      'send_message_to_user',
      'commit_memory',
      'recall_memory',
    ])
  })

  it('names, descriptions and schemas are equal in every form', async () => {
    const tools = await openTools()
    const listed = await tools.list()
    const expected = listed.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }))
    expect(expected.map(({ name }) => name)).toEqual(names)
    expect(await mcpTools(tools)).toEqual(expected)
    const functions = await openAiTools(tools)
    expect(
      functions.map(({ function: { name, description, parameters } }) => ({
        name,
        description,
        inputSchema: parameters,
      })),
    ).toEqual(expected)
    const set = Object.entries(await aiSdkTools(tools)).map(([name, { description, inputSchema }]) => ({
      name,
      description,
      inputSchema: (inputSchema as { jsonSchema: unknown }).jsonSchema,
    }))
    expect(set).toEqual(expected)
    const chain = (await langchainTools(tools)).map(({ name, description, schema }) => ({
      name,
      description,
      inputSchema: schema,
    }))
    expect(chain).toEqual(expected)
  })

  it('every schema is that of an object', async () => {
    for (const { inputSchema } of await (await openTools()).list()) expect(inputSchema['type']).toBe('object')
  })

  it('descriptions say the limits of the delegator, read at each listing', async () => {
    const delegator = await open({ runner: quick, maxUnits: 5, maxConcurrentChildren: 7, maxDepth: 2 })
    let { limits } = delegator
    const tools = await openTools({
      delegator: Object.defineProperty({ ...delegator }, 'limits', { get: () => limits }),
    })
    const described = async () => (await tools.list())[0]?.description
    expect(await described()).toContain('at most 7 tasks a call, 5 calls at once, depth 2')
    limits = { ...limits, maxConcurrentChildren: 8 }
    expect(await described()).toContain('at most 8 tasks a call, 5 calls at once, depth 2')
  })

  it('the prompt has each name as a bullet and a heading, and none that was dropped', async () => {
    const text = await toolPrompt(await openTools())
    for (const { name, description, whenToUse } of await (await openTools()).list()) {
      expect(text).toContain(`- **${name}**: ${description}\n`)
      expect(text).toContain(`### ${name}\n\n${whenToUse}\n`)
    }
    expect(text).toContain('## Subagents')
    expect(text).toContain('## Inter-Agent Communication')
    expect(text).toContain('## Hierarchical Memory (HMA)')
    expect(text).toMatch(/[^\n]\n$/)
    for (const dropped of ['delegate_to_workspace', 'check_delegation_status', 'search_memory'])
      expect(text).not.toContain(dropped)
  })

  it('the shell flavour teaches every command that stands for a tool, and only commands that there are', async () => {
    const text = await toolPrompt(await openTools(), 'shell')
    for (const { shell } of toolSpecs) if (shell !== null) expect(text).toContain(shell)
    const taught = [...text.matchAll(/`hermes-delegate (\w+)/g)].map(([, command]) => command)
    expect(new Set(taught).size).toBeGreaterThan(5)
    const commands = filesBelow('src/cli', '.ts').map(read).join('')
    for (const command of taught) expect(commands).toMatch(new RegExp(`command[(]'${command}[' ]`))
  })

  it('a call through the AI SDK and MCP is the same call', async () => {
    const tools = await openTools()
    const set = await aiSdkTools(tools)
    const call = set['check_task_status']!.execute as unknown as (input: unknown, options: object) => unknown
    const data = await call({ task_id: 'deleg_x' }, {})
    expect(data).toEqual((await tools.call('check_task_status', { task_id: 'deleg_x' })).data)
    const answer = await mcpCall(tools, 'check_task_status', { task_id: 'deleg_x' })
    expect(answer.isError).toBe(true)
    expect(JSON.parse(answer.content[0]!.text)).toEqual(data)
    expect((await mcpCall(tools, 'nothing', {})).content[0]!.text).toContain('Unknown tool: nothing')
  })
})

const peers: PeerDirectory = {
  list: async () => [{ workspace_id: 'w1', name: 'one', status: 'online' }],
  self: async () => ({ workspace_id: 'w0' }),
  delegate: async (_id, task) => ({ reply: `did ${task}` }),
  delegateAsync: async () => 'remote-1',
  status: async () => ({ status: 'queued' }),
  sendToUser: async () => undefined,
}

it('every property of every schema is really read', async () => {
  const delegator = await open({ runner: quick, maxDepth: 2 })
  const host: ToolHost = {
    delegator,
    peers,
    memory: { store: transientMemoryStore() },
    signal: null,
    onRefusal: 'reject',
    acceptsLaterResults: true,
    child: null,
    dispatchNote: '',
    arrival: 'turn',
    sessionKey: () => 's1',
    isPaused: () => false,
  }
  const inputs: Record<string, JsonObject[]> = {
    delegate_task: [
      { goal: 'g' },
      { action: 'steer', subagent_id: 'x', message: 'm' },
      { workspace_id: 'w1', task: 't' },
    ],
    delegate_task_async: [{ task: 't' }],
    check_task_status: [{ task_id: 'x' }],
    send_message_to_user: [{ message: 'm' }],
    commit_memory: [{ content: 'c' }],
    recall_memory: [{ query: 'q' }],
  }
  for (const { name, input, run } of toolSpecs) {
    const seen = new Set<string>()
    for (const given of inputs[name] ?? [{}]) {
      const watched = new Proxy(given, {
        get: (target, key) => (seen.add(String(key)), Reflect.get(target, key) as unknown),
      })
      await run(watched, host).catch(() => undefined)
    }
    const ignored = name === 'delegate_task' ? ['background'] : []
    expect([...seen, ...ignored].sort(), name).toEqual(Object.keys(input.shape).sort())
  }
})

describe('peers behind their port', () => {
  const calls: [string, JsonObject][] = [
    ['list_peers', {}],
    ['get_workspace_info', {}],
    ['send_message_to_user', { message: 'hello' }],
    ['delegate_task', { workspace_id: 'w1', task: 't' }],
    ['delegate_task_async', { workspace_id: 'w1', task: 't' }],
    ['check_task_status', { workspace_id: 'w1', task_id: 't' }],
  ]
  it.each(calls)('%s says that no peers are configured', async (name, input) => {
    const { isError, data } = await (await openTools()).call(name, input)
    expect(isError).toBe(true)
    expect(data).toMatchObject({
      code: 'NO_PEERS',
      error: expect.stringMatching(/^No peers configured/) as string,
    })
  })

  it('a directory answers, and a status carries what the model must do', async () => {
    const tools = await openTools({ peers })
    expect((await tools.call('list_peers', {})).data).toMatchObject({ count: 1 })
    expect((await tools.call('delegate_task', calls[3]![1])).data).toEqual({ reply: 'did t' })
    expect((await tools.call('delegate_task_async', calls[4]![1])).data).toMatchObject({
      success: true,
      task_id: 'remote-1',
      workspace_id: 'w1',
      status: 'delegated',
    })
    const { data } = await tools.call('check_task_status', calls[5]![1])
    expect(data).toMatchObject({
      status: 'queued',
      guidance: expect.stringContaining('will arrive') as string,
    })
    const relative = await tools.call('send_message_to_user', { message: 'm', attachments: ['a.txt'] })
    expect(relative.data['error']).toContain('absolute path')
  })

  it('M64: a failure names the peer and the three ways out, and no secret', async () => {
    const key = `sk-${'a1B2c3D4'.repeat(6)}`
    const failing = { ...peers, delegate: () => Promise.reject(new Error(`refused ${key}`)) }
    const { data } = await (await openTools({ peers: failing })).call('delegate_task', calls[3]![1])
    expect(data['error']).toMatch(/^DELEGATION FAILED to w1: refused .*\n.*1\..*2\..*3\./)
    expect(data['error']).not.toContain(key)
  })
})
