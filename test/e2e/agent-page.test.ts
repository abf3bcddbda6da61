import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { failureReasons } from '../../src/agent/provider-error.js'
import { calls, says, serve } from '../agent/scripted-server.js'
import { temporaryFolder } from '../runtime/support.js'
import { read, root } from '../support/sources.js'
import { start, startProcess } from './cli-process.js'

const page = read('docs/agent-runner.md')
const block = (language: string): string =>
  new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? ''
const shown = 'http://127.0.0.1:11434/v1'

describe('docs/agent-runner.md', () => {
  it('its configuration runs from the shell as it is written', async () => {
    const server = await serve(
      calls(['run_command', { command: 'find . -empty -type f' }]),
      calls(['write_file', { path: 'empty.txt', content: './nothing\n' }]),
      says('One file is empty; I wrote its name to empty.txt.'),
    )
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'nothing'), '')
    writeFileSync(join(cwd, 'hermes-delegate.yaml'), block('yaml').replace(shown, server.url))
    const [, goal = ''] = /run -r coder "([^"]+)"/.exec(page) ?? []
    const { code, stdout, stderr } = await start(['run', '-r', 'coder', '--json', goal], { cwd }).ended
    expect(stderr).not.toContain('error')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'completed',
      summary: 'One file is empty; I wrote its name to empty.txt.',
      model: 'qwen3-coder',
      api_calls: 3,
      usage: { input_tokens: 300, output_tokens: 30, cost_usd: 0.000084 },
      tool_trace: [{ tool: 'run_command' }, { tool: 'write_file' }],
    })
    expect(server.requests[0]?.body.messages[0]?.content).toContain(goal)
    expect(server.requests[1]?.body.messages.at(-1)?.content).toBe('./nothing')
    expect(readFileSync(join(cwd, 'empty.txt'), 'utf8')).toBe('./nothing\n')
  })

  it('its program runs as it is written', async () => {
    const server = await serve(calls(['read_file', { path: 'README.md' }]), says('It is about tea.'))
    const cwd = temporaryFolder()
    mkdirSync(join(cwd, 'node_modules'))
    symlinkSync(root, join(cwd, 'node_modules/hermes-delegate'))
    writeFileSync(join(cwd, 'README.md'), '# Tea')
    writeFileSync(join(cwd, 'main.mjs'), block('js').replace(shown, server.url))
    const { stdout, stderr } = await startProcess(process.execPath, ['main.mjs'], { cwd }).ended
    expect(stderr).toBe('')
    expect(stdout).toContain('It is about tea. { input_tokens: 200, output_tokens: 20, cost_usd: 0.000056 }')
    expect(server.requests[1]?.body.messages.at(-1)?.content).toBe('1\t# Tea')
  })

  it('`run -r agent` works from the environment alone', async () => {
    const server = await serve(says('hello'))
    const cwd = temporaryFolder()
    const env = { OPENAI_BASE_URL: server.url, OPENAI_API_KEY: 'the-key' }
    const args = ['run', '-r', 'agent', '--model', 'm-1', '--json', 'Say hello.']
    const { code, stdout } = await start(args, { cwd, env }).ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ status: 'completed', summary: 'hello', model: 'm-1' })
    expect(server.requests[0]?.headers.authorization).toBe('Bearer the-key')
    expect(existsSync(join(cwd, 'hermes-delegate.yaml'))).toBe(false)
  })

  it('`run --toolsets` narrows, and what it may not have is named', async () => {
    const server = await serve(says('hello'))
    const env = { OPENAI_BASE_URL: server.url }
    const args = ['run', '-r', 'agent', '--model', 'm', '--toolsets', 'file,terminal', '--json', 'Say hello.']
    const { code, stdout } = await start(args, { cwd: temporaryFolder(), env }).ended
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'error',
      error_detail: { code: 'AGENT_TOOLSET_REFUSED' },
    })
  })

  it('lists every reason of a failure, and no other', () => {
    const table = page.slice(page.indexOf('| `failure_reason`'))
    const listed = [...table.matchAll(/^\| `(\w+)` /gm)].map(([, word]) => word).slice(1)
    expect(listed.sort()).toEqual([...failureReasons].sort())
  })
})
