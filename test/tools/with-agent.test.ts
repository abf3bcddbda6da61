/** What a model asks for through the tools, and what the child that runs for it may do: nothing is widened on the way. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { agentRunner, type AgentRunnerOptions } from '../../src/agent/agent-runner.js'
import { calls, says, serve, type Turn } from '../agent/scripted-server.js'
import { temporaryFolder } from '../runtime/support.js'
import { openTools } from './support.js'

async function delegated(input: object, turns: readonly Turn[], options: Partial<AgentRunnerOptions>) {
  const server = await serve(...turns)
  const workdir = temporaryFolder()
  const runner = agentRunner({ baseUrl: server.url, model: 'scripted', workdir, ...options })
  const tools = await openTools({ acceptsLaterResults: false }, { runner, spillFolder: temporaryFolder() })
  const { data } = await tools.call('delegate_task', input)
  return {
    data,
    workdir,
    offered: (server.requests[0]?.body.tools ?? []).map((tool) => tool.function.name),
    server,
  }
}

it('toolsets that a model smuggles in, at the call or in a task, give its child no tool', async () => {
  const plain = await delegated({ goal: 'read' }, [says('ok')], { toolsets: ['file'] })
  expect(plain.offered).not.toContain('run_command')
  const smuggled = { goal: 'read', toolsets: ['terminal', 'web'] }
  for (const input of [smuggled, { tasks: [{ ...smuggled, goal: 'read all the files' }] }]) {
    const { offered, data } = await delegated(input, [says('ok')], { toolsets: ['file'] })
    expect(offered).toEqual(plain.offered)
    expect(data['note']).toContain('toolsets')
  }
})

it("a dangerous command of a child is decided by the host's policy, and nobody is asked", async () => {
  const turns = [calls(['run_command', { command: 'touch made; rm -rf x' }]), says('I left it')]
  const denied = await delegated({ goal: 'clean' }, turns, { toolsets: ['terminal'] })
  expect(JSON.stringify(denied.server.requests[1]?.body.messages)).toContain('denied: it deletes recursively')
  expect(existsSync(join(denied.workdir, 'made'))).toBe(false)
  expect(denied.data).toMatchObject({ results: [{ status: 'completed', summary: 'I left it' }] })
  const approved = await delegated({ goal: 'clean' }, turns, {
    toolsets: ['terminal'],
    terminal: { autoApprove: true },
  })
  expect(existsSync(join(approved.workdir, 'made'))).toBe(true)
})
