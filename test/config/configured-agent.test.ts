import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.js'
import { agentRunner } from '../../src/agent/agent-runner.js'
import type { RunnerReference } from '../../src/index.js'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'hermes-config-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function load(text: string): Promise<Readonly<Record<string, RunnerReference>>> {
  const path = join(folder, 'hermes-delegate.yaml')
  writeFileSync(path, text)
  return (await loadConfig({ path, env: { XDG_STATE_HOME: folder } })).runners
}

describe('an agent in the configuration', () => {
  it('is what its maker makes, with paths from the folder of the file and free names as they stand', async () => {
    const { a } = await load(`
runners:
  a:
    agent:
      base_url: http://127.0.0.1:1/v1
      model: m
      api_key_env: THE_KEY
      toolsets: [file, web]
      workdir: work
      max_iterations: 7
      prices: { input: 1, output: 2, cached_input: 0.5 }
      terminal: { env: { set: { my_name: x } }, auto_approve: true, timeout_seconds: null }
      web: { allow_private_hosts: [intranet] }
      mcp_servers:
        my_server: { command: ./server, args: [--x_y], cwd: sub, env: { pass: [A_B] }, start_timeout_seconds: 5 }
      retry: { max_retries: 1, max_retry_after_seconds: 9 }
    on_owner_death: adopt
    placement: shared`)
    expect(a).toEqual({
      name: 'a',
      ...agentRunner(
        {
          baseUrl: 'http://127.0.0.1:1/v1',
          model: 'm',
          apiKeyEnv: 'THE_KEY',
          toolsets: ['file', 'web'],
          workdir: join(folder, 'work'),
          maxIterations: 7,
          prices: { input: 1, output: 2, cachedInput: 0.5 },
          terminal: { env: { set: { my_name: 'x' } }, autoApprove: true },
          web: { allowPrivateHosts: ['intranet'] },
          mcpServers: {
            my_server: {
              command: join(folder, 'server'),
              args: ['--x_y'],
              cwd: join(folder, 'sub'),
              env: { pass: ['A_B'] },
              startTimeoutSeconds: 5,
            },
          },
          retry: { maxRetries: 1, maxRetryAfterSeconds: 9 },
        },
        { placement: 'shared', onOwnerDeath: 'adopt' },
      ),
    })
  })

  const wrong: [agent: string, problem: string][] = [
    ['{}', 'base_url: expected an http or https URL without a user, a query or a fragment, got nothing'],
    [
      '{ base_url: "http://x/", max_iterations: 0 }',
      'max_iterations: expected a whole number from 1 to 10000, got 0',
    ],
    ['{ base_url: "http://x/", maxIterations: 5 }', 'maxIterations: unknown key'],
    ['{ base_url: "http://x/", max_iteration: 5 }', 'max_iteration: unknown key'],
    [
      '{ base_url: "http://x/", mcp_servers: { my_Server: { start_timeout_seconds: 1 } } }',
      'mcp_servers.my_Server.command: expected text without NUL characters, got nothing',
    ],
    [
      '{ base_url: "http://x/", api_key_env: sk-123 }',
      'api_key_env: expected the name of an environment variable (letters, digits, _), got text of 6 characters',
    ],
  ]

  it.each(wrong)('%s: the problem stands at its key, as it is written', async (agent, problem) => {
    await expect(load(`runners: { a: { agent: ${agent} } }`)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      detail: { problems: [`runners.a.agent.${problem}`] },
    })
  })

  it('stands alone, and has its options in itself', async () => {
    await expect(
      load('runners: { a: { builtin: shell, agent: { base_url: "http://x/" } } }'),
    ).rejects.toThrow(
      'runners.a: expected exactly one of `builtin`, `module`, `agent`, `peer`, `molecule` and `command` (or `preset`)',
    )
    await expect(
      load('runners: { a: { agent: { base_url: "http://x/" }, options: { a: 1 } } }'),
    ).rejects.toThrow('runners.a.options: expected nothing here (those of an agent stand in `agent`)')
  })

  it('the example shows every key with its default', async () => {
    const text = readFileSync(new URL('../../config.example.yaml', import.meta.url), 'utf8')
    const { agent } = (parse(text) as { runners: { coder: { agent: Record<string, unknown> } } }).runners
      .coder
    const { readAgentOptions } = await import('../../src/agent/agent-options.js')
    const read = readAgentOptions({ baseUrl: 'http://127.0.0.1:11434/v1' })
    const { coder } = await load(text)
    expect(readAgentOptions(coder?.options)).toEqual(read)
    const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    const all = ['model', 'apiKeyEnv', 'workdir', 'temperature', 'maxOutputTokens', 'prices', 'instructions']
    const defaults = 'settings' in read ? Object.keys(read.settings) : []
    expect(Object.keys(agent).sort()).toEqual([...new Set([...all, ...defaults])].map(snake).sort())
  })
})
