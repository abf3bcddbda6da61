import { describe, expect, it } from 'vitest'
import type { AgentRunnerOptions } from '../../src/agent/agent-runner.js'
import { readAgentOptions, type AgentSettings } from '../../src/agent/agent-options.js'
import { blockedFor, chosenToolsets } from '../../src/agent/toolsets.js'
import { toolSpecs } from '../../src/tools/tools.js'
import { says } from './scripted-server.js'
import { runAgent } from './support.js'

function settings(options: Partial<AgentRunnerOptions>): AgentSettings {
  const read = readAgentOptions({ baseUrl: 'http://localhost/v1', ...options })
  if ('problems' in read) throw new Error(read.problems.join('\n'))
  return read.settings
}

const mcpServers = { github: { command: 'x' }, jira: { command: 'y' } }

describe('the toolsets of a child', () => {
  const narrowed: [Partial<AgentRunnerOptions>, string[] | null, string[]][] = [
    [{}, null, ['file']],
    [{ toolsets: ['file', 'web'], mcpServers }, null, ['file', 'web', 'mcp-github', 'mcp-jira']],
    [{ toolsets: ['file', 'web'] }, ['web'], ['web']],
    [{ toolsets: ['file', 'web', 'terminal'], mcpServers }, ['file'], ['file', 'mcp-github', 'mcp-jira']],
    [{ toolsets: ['file'], mcpServers }, ['mcp-jira'], ['mcp-jira']],
    [{ toolsets: ['file', 'web'], mcpServers, inheritMcpToolsets: false }, ['file'], ['file']],
    [{ toolsets: [] }, null, []],
  ]

  it.each(narrowed)('of %j, a call with %j leaves %j', (options, asked, left) => {
    expect(chosenToolsets(settings(options), asked)).toEqual(left)
  })

  it.each([
    [
      ['terminal'],
      'AGENT_TOOLSET_REFUSED',
      'the toolset "terminal" is not given to children here; this runner has file',
    ],
    [['files'], 'AGENT_TOOLSET_UNKNOWN', 'there is no toolset "files"; this runner has file'],
    [['file', 'mcp-other'], 'AGENT_TOOLSET_UNKNOWN', 'there is no toolset "mcp-other"; this runner has file'],
  ])(
    'a call cannot widen them: %j ends the child before the model is asked',
    async (toolsets, code, error) => {
      const { result, server } = await runAgent([says('ok')], {}, { toolsets })
      expect(result).toMatchObject({ status: 'error', error: `AgentError: ${error}`, error_detail: { code } })
      expect(server.requests).toHaveLength(0)
    },
  )

  it('the model gets the tools of what was chosen, and no others', async () => {
    const names = async (toolsets: string[]): Promise<string[]> => {
      const { server } = await runAgent([says('ok')], { toolsets: ['file', 'terminal', 'web'] }, { toolsets })
      return (server.requests[0]?.body.tools ?? []).map((tool) => tool.function.name)
    }
    expect(await names(['file'])).toEqual([
      'read_file',
      'list_files',
      'search_files',
      'edit_file',
      'write_file',
    ])
    expect(await names(['web', 'terminal'])).toEqual(['run_command', 'fetch_url'])
  })

  it('a child without tools is asked without tools', async () => {
    const { server, result } = await runAgent([says('ok')], { toolsets: [], maxIterations: 1 })
    expect(server.requests[0]?.body).not.toHaveProperty('tools')
    expect(result).toMatchObject({ status: 'completed', exit_reason: 'completed' })
  })

  it('who may not delegate gets no tool for it from anywhere (spec 4.3)', () => {
    expect(blockedFor(false).has('delegate_task')).toBe(true)
    expect(blockedFor(true).has('delegate_task')).toBe(false)
    for (const name of ['clarify', 'memory', 'send_message']) expect(blockedFor(true).has(name)).toBe(true)
  })

  it('nobody gets what belongs to the one who delegated, from our own server either', () => {
    const hostsOnly = toolSpecs.filter(({ isHostsOnly }) => isHostsOnly === true).map(({ name }) => name)
    for (const name of [...hostsOnly, 'wait', 'collect', 'answer', 'interrupt'])
      expect(blockedFor(true).has(name), name).toBe(true)
  })
})
