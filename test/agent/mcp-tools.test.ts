import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { agentRunner, type McpServerOptions } from '../../src/agent/agent-runner.js'
import { childRuns, idOf, next, open, temporaryFolder } from '../runtime/support.js'
import { calls, says, serve, staysSilent } from './scripted-server.js'
import { gone, isAlive, quickRetry, runAgent } from './support.js'

const program = fileURLToPath(new URL('../fixtures/agent/mcp-server.js', import.meta.url))
const fixture = (mode = 'good', more: Partial<McpServerOptions> = {}): McpServerOptions => ({
  command: process.execPath,
  args: [program, mode],
  ...more,
})

describe('MCP servers of the agent runner', () => {
  it('their tools are called by their prefixed names, and their errors are told', async () => {
    const run = await runAgent(
      [
        calls(
          ['mcp_calc_add', { a: 2, b: 3 }],
          ['mcp_calc_fails', {}],
          ['mcp_calc_long', {}],
          ['mcp_calc_add', { a: 'x' }],
        ),
        says('five'),
      ],
      { toolsets: [], mcpServers: { calc: fixture() } },
    )
    expect(run.result).toMatchObject({ status: 'completed', summary: 'five' })
    const [sum, failure, long, wrong] = run.toolResults(1)
    expect([sum, failure]).toEqual(['5', 'it did not work'])
    expect(long).toMatch(/characters left out/)
    expect(long?.length).toBeLessThan(31_000)
    expect(wrong).toMatch(/a|b/)
    expect(run.result['tool_trace']).toMatchObject([
      { status: 'ok' },
      { status: 'error' },
      { status: 'ok' },
      { status: 'error' },
    ])
  })

  it('several at once; the model sees each tool with its schema', async () => {
    const { server } = await runAgent([says('ok')], {
      toolsets: [],
      mcpServers: { one: fixture(), two: fixture() },
    })
    const tools = server.requests[0]?.body.tools ?? []
    const names = tools.map((tool) => tool.function.name)
    expect(names).toContain('mcp_one_add')
    expect(names).toContain('mcp_two_says_nonsense')
    expect(tools.find((tool) => tool.function.name === 'mcp_one_add')?.function.parameters).toMatchObject({
      properties: { a: { type: 'number' }, b: { type: 'number' } },
    })
  })

  it('what belongs to the one who delegated is blocked, whatever server offers it', async () => {
    const namesFor = async (
      role: string,
      maxDepth: number,
      orchestratorEnabled = true,
    ): Promise<string[]> => {
      const options = { mcpServers: { our: fixture() }, orchestratorEnabled }
      const { server } = await runAgent([says('ok')], options, { role }, { maxDepth })
      return (server.requests[0]?.body.tools ?? []).map((tool) => tool.function.name)
    }
    const mayNot = [
      await namesFor('leaf', 2),
      await namesFor('orchestrator', 1),
      await namesFor('orchestrator', 2, false),
    ]
    for (const names of mayNot) {
      expect(names).not.toContain('mcp_our_delegate_task')
      expect(names).not.toContain('mcp_our_memory')
    }
    const may = await namesFor('orchestrator', 2)
    expect(may).toContain('mcp_our_delegate_task')
    expect(may).not.toContain('mcp_our_memory')
  })

  it('it sees no secret of the host, but what is passed on', async () => {
    process.env['AGENT_TEST_KEY'] = 'secret'
    process.env['AGENT_TEST_PASSED'] = 'x'
    const run = await runAgent([calls(['mcp_s_environment', {}]), says('ok')], {
      apiKeyEnv: 'AGENT_TEST_KEY',
      mcpServers: { s: fixture('good', { env: { pass: ['AGENT_TEST_PASSED'], set: { OWN: '1' } } }) },
    })
    const names = run.toolResults(1)[0]?.split(' ')
    expect(names).toEqual(expect.arrayContaining(['PATH', 'AGENT_TEST_PASSED', 'OWN']))
    expect(names).not.toContain('AGENT_TEST_KEY')
  })

  it('one that dies, floods, or says nonsense costs the tool, and not the child', async () => {
    const servers = { mcpServers: { s: fixture('good', { callTimeoutSeconds: 20 }) } }
    for (const tool of ['mcp_s_dies', 'mcp_s_floods']) {
      const run = await runAgent(
        [calls([tool, {}]), calls(['mcp_s_add', { a: 1, b: 1 }]), says('went on')],
        servers,
      )
      expect(run.result).toMatchObject({ status: 'completed', summary: 'went on' })
      expect(run.result['tool_trace']).toMatchObject([{ status: 'error' }, { status: 'error' }])
    }
    const run = await runAgent([calls(['mcp_s_says_nonsense', {}]), says('ok')], servers)
    expect(run.toolResults(1)).toEqual(['said it'])
  })

  it('a call that never returns ends after its time', async () => {
    const run = await runAgent([calls(['mcp_s_never', {}]), says('left it')], {
      mcpServers: { s: fixture('good', { callTimeoutSeconds: 0.2 }) },
    })
    expect(run.result).toMatchObject({ summary: 'left it', tool_trace: [{ status: 'error' }] })
  })

  const broken: [what: string, server: McpServerOptions, says: RegExp][] = [
    ['ends at once', fixture('exits'), /the MCP server bad .* did not start/],
    [
      'says why it ends',
      { command: process.execPath, args: ['-e', 'console.error("no such token"); process.exit(1)'] },
      /the MCP server bad .* did not start: .*\(it said: no such token\)/,
    ],
    [
      'throws',
      { command: process.execPath, args: ['-e', 'require("/no/such/module")'] },
      /\(it said: Error: Cannot find module '\/no\/such\/module'\)/,
    ],
    ['never answers', fixture('silent', { startTimeoutSeconds: 0.3 }), /did not start/],
    [
      'is no program',
      { command: '/nowhere/at-all' },
      /the MCP server bad \(\/nowhere\/at-all\) did not start/,
    ],
  ]

  it.each(broken)('one that %s ends the child with a code that names it', async (_what, server, message) => {
    const { result, server: model } = await runAgent([says('ok')], {
      mcpServers: { good: fixture(), bad: server },
    })
    expect(result).toMatchObject({ status: 'error', error_detail: { code: 'AGENT_MCP_FAILED' } })
    expect(result.error).toMatch(message)
    expect(model.requests).toHaveLength(0)
  })

  it('they die with their child, also when it is interrupted', async () => {
    const server = await serve(calls(['mcp_s_pid', {}]), staysSilent)
    const delegator = await open({ interruptGraceMs: 5_000 })
    const runner = agentRunner({
      baseUrl: server.url,
      model: 'm',
      workdir: temporaryFolder(),
      retry: quickRetry,
      mcpServers: { s: fixture() },
    })
    const running = childRuns(delegator)
    const id = idOf(await delegator.dispatch({ goal: 'go', runner }))
    await running
    await server.received(2)
    const pid = Number(server.requests[1]?.body.messages.at(-1)?.content)
    expect(isAlive(pid)).toBe(true)
    const over = next(delegator, 'completion')
    await delegator.interrupt(id)
    expect((await over).status).toBe('interrupted')
    await gone(pid)
  })
})
