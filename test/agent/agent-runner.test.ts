import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { agentRunner } from '../../src/agent/agent-runner.js'
import { temporaryFolder } from '../runtime/support.js'
import { root } from '../support/sources.js'

const baseUrl = 'http://127.0.0.1:1/v1'

function problemsOf(options: object): unknown {
  try {
    return agentRunner({ baseUrl, ...options })
  } catch (error) {
    expect(error).toMatchObject({ code: 'RUNNER_INVALID' })
    return (error as { detail: { problems: unknown } }).detail.problems
  }
}

describe('agentRunner', () => {
  it('is plain data, that declares its progress; the work folder is absolute', () => {
    const runner = agentRunner(
      { baseUrl, model: 'm', workdir: 'sub' },
      { onOwnerDeath: 'adopt', placement: 'shared' },
    )
    expect(JSON.parse(JSON.stringify(runner))).toEqual({
      url: expect.stringMatching(/^file:.*\/agent-child\.js$/) as string,
      export: 'runAgent',
      options: { baseUrl, model: 'm', workdir: resolve('sub') },
      reportsProgress: true,
      correctsOutput: true,
      onOwnerDeath: 'adopt',
      placement: 'shared',
    })
  })

  const wrong: [options: object, problem: string][] = [
    [
      { baseUrl: 'ftp://x' },
      'baseUrl: expected an http or https URL without a user, a query or a fragment, got text of 7 characters',
    ],
    [
      { baseUrl: undefined },
      'baseUrl: expected an http or https URL without a user, a query or a fragment, got nothing',
    ],
    [
      { baseUrl: 'http://u:p@x/' },
      'baseUrl: expected an http or https URL without a user, a query or a fragment, got text of 13 characters',
    ],
    [{ base_url: 'x' }, 'base_url: unknown key'],
    [
      { apiKeyEnv: 'sk-the-key-itself' },
      'apiKeyEnv: expected the name of an environment variable (letters, digits, _), got text of 17 characters',
    ],
    [
      { apiKeyEnv: 'A', apiKeyEnvs: ['A', 'B'] },
      'apiKeyEnvs: expected nothing beside apiKeyEnv, got a list of 2',
    ],
    [
      { apiKeyEnvs: ['A', 'sk-1'] },
      'apiKeyEnvs.1: expected the name of an environment variable (letters, digits, _), got text of 4 characters',
    ],
    [{ askTimeoutSeconds: 0 }, 'askTimeoutSeconds: expected a number from 1 to 86400, got 0'],
    [{ asks: 'yes' }, 'asks: expected true or false, got text of 3 characters'],
    [{ jsonMode: true }, 'jsonMode: expected one of none, object, schema, got true'],
    [{ maxIterations: 0 }, 'maxIterations: expected a whole number from 1 to 10000, got 0'],
    [{ maxIterations: 1.5 }, 'maxIterations: expected a whole number from 1 to 10000, got 1.5'],
    [{ temperature: 3 }, 'temperature: expected a number from 0 to 2, got 3'],
    [
      { toolsets: ['file', 'shell'] },
      'toolsets.1: expected one of file, terminal, web, got text of 5 characters',
    ],
    [{ toolsets: 'file' }, 'toolsets: expected a list, got text of 4 characters'],
    [{ prices: { input: -1, output: 1 } }, 'prices.input: expected a number from 0 to 1000000, got -1'],
    [{ prices: { input: 1 } }, 'prices.output: expected a number from 0 to 1000000, got nothing'],
    [
      { terminal: { deny: ['('] } },
      'terminal.deny.0: expected a regular expression of at most 500 characters, got text of 1 characters',
    ],
    [{ mcpServers: { a: { command: '' } } }, 'mcpServers.a.command: expected text, got an empty text'],
    [
      { mcpServers: { 'a b': { command: 'x' } } },
      'mcpServers.a b: expected a name of at most 32 letters, digits, - and _, got a mapping',
    ],
    [{ retry: { maxRetries: 50 } }, 'retry.maxRetries: expected a whole number from 0 to 20, got 50'],
    [{ model: 'a\0b' }, 'model: expected text without NUL characters, got text of 3 characters'],
  ]

  it.each(wrong)('refuses %j, and quotes no text', (options, problem) => {
    expect(problemsOf(options)).toEqual([problem])
  })

  it('tells all problems at once', () => {
    expect(problemsOf({ maxIterations: 'many', temperature: 9, extra: 1 })).toHaveLength(3)
  })
})

describe('the packages that it needs', () => {
  /** An installation with these packages and no others. */
  function installation(packages: readonly string[]): string {
    const folder = temporaryFolder()
    for (const name of ['agent', 'core', 'runner.js'])
      cpSync(join(root, 'dist', name), join(folder, 'dist', name), { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    for (const name of packages) {
      mkdirSync(join(folder, 'node_modules', name, '..'), { recursive: true })
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
    }
    const task = {
      goal: 'g',
      context: null,
      toolsets: null,
      role: 'leaf',
      model: 'm',
      delegationId: 'd',
      taskIndex: 0,
      sessionKey: '',
    }
    writeFileSync(
      join(folder, 'run.js'),
      `import { runAgent } from './dist/agent/agent-child.js'
       const nothing = () => undefined
       const ctx = { options: ${JSON.stringify({ baseUrl, mcpServers: { s: { command: 'x' } } })}, signal: new AbortController().signal,
                     log: nothing, progress: nothing, checkpoint: nothing, spawn: nothing, onSteer: nothing, resumeFrom: null }
       await runAgent(${JSON.stringify(task)}, ctx).catch(({ code, message }) => console.log(code + ': ' + message))`,
    )
    return execFileSync(process.execPath, ['run.js'], { cwd: folder, encoding: 'utf8' }).trim()
  }

  it.each([
    [['zod'], '@ai-sdk/openai-compatible', 'ai@6 @ai-sdk/openai-compatible@2'],
    [['zod', '@ai-sdk/openai-compatible'], 'ai', 'ai@6 @ai-sdk/openai-compatible@2'],
    [
      ['zod', '@ai-sdk/openai-compatible', 'ai'],
      '@modelcontextprotocol/client',
      '@modelcontextprotocol/client@2',
    ],
  ])('with %j installed, the missing one is named, and how to install it', (packages, missing, install) => {
    expect(installation(packages)).toBe(
      `AGENT_PACKAGE_MISSING: the agent runner needs the package ${missing}, which is not installed: npm install ${install}`,
    )
  })

  it('are optional peers, of majors that run on our Node', () => {
    const file = fileURLToPath(new URL('../../package.json', import.meta.url))
    const read = execFileSync(process.execPath, ['-p', `JSON.stringify(require(${JSON.stringify(file)}))`], {
      encoding: 'utf8',
    })
    const { peerDependencies, peerDependenciesMeta } = JSON.parse(read) as Record<
      string,
      Record<string, unknown>
    >
    expect(Object.keys(peerDependencies ?? {})).toEqual(
      expect.arrayContaining(['@ai-sdk/openai-compatible', '@modelcontextprotocol/client', 'ai']),
    )
    for (const name of Object.keys(peerDependencies ?? {}))
      expect(peerDependenciesMeta?.[name]).toEqual({ optional: true })
  })
})
