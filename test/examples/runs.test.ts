import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProcess, until } from '../e2e/cli-process.js'
import { screenOf } from '../support/screen.js'
import { read, root } from '../support/sources.js'

const gateway = join(root, 'examples/gateway/gateway.js')
const agent = join(root, 'examples/cli-agent/agent.js')
let cwd: string

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-examples-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

/** A block of the README, without the command in its first line. */
function recorded(command: string): readonly string[] {
  const [, text = ''] = read('README.md').split(`\`\`\`console\n$ ${command}\n`)
  return text.slice(0, text.indexOf('\n```')).split('\n')
}

function hasScript(): boolean {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux')
  } catch {
    return false
  }
}

describe('examples/cli-agent', () => {
  // In CI its absence is a failure: nobody reads there what was skipped.
  it.skipIf(!hasScript() && process.env['CI'] === undefined)(
    'R4: on a terminal: what the README shows is what comes, typed while subagents work',
    async () => {
      const expected = recorded('npm run agent')
      expect(expected.length).toBeGreaterThan(8)
      const command = `stty cols 120 rows 40; ${process.execPath} ${agent}`
      const running = startProcess('script', ['-qec', command, '/dev/null'], { cwd })
      const shown = (): string => screenOf(running.printed())
      for (const [index, line] of expected.entries()) {
        const [, typed] = /^you › (.+)$/.exec(line) ?? []
        if (typed === undefined) continue
        // Typed once everything above is there, and the prompt under it.
        const above = [...expected.slice(0, index), 'you ›'].join('\n')
        await until(() => shown() === above || running.process.exitCode !== null)
        expect(shown()).toBe(above)
        running.process.stdin?.write(`${typed}\n`)
      }
      const { code } = await running.ended
      expect(shown()).toBe(expected.join('\n'))
      expect(code).toBe(0)
    },
  )

  it('on a pipe: it answers, waits for what it has started, and ends', async () => {
    const running = startProcess(process.execPath, [agent], { cwd })
    running.process.stdin?.end('Find out the length of the Danube.\nWhat is 2 + 3?\n')
    const { code, stdout, stderr } = await running.ended
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/agent › A subagent is on it.*\nagent › 5\.\n◆ 1 of 1 .*\n.*\nagent › The length/)
    expect(stdout).not.toContain('\u001b')
  })

  it('/reset stops what works for the old conversation, and /quit leaves', async () => {
    const running = startProcess(process.execPath, [agent], { cwd })
    running.process.stdin?.write('Find out the length of the Danube.\n')
    await until(() => running.printed().includes('on it'))
    running.process.stdin?.write('/reset\n')
    await until(() => running.printed().includes('Subagents stopped: 1.'))
    running.process.stdin?.write('/quit\n')
    const { code, stdout } = await running.ended
    expect(code).toBe(0)
    expect(stdout).not.toContain('◆')
  })

  it('a model of the environment: any OpenAI-compatible server, whose troubles are shown', async () => {
    const asked: { readonly authorization: string | undefined; readonly body: string }[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        asked.push({ authorization: request.headers.authorization, body })
        if (asked.length > 1) response.statusCode = 500
        response.end(
          JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'a real answer' } }] }),
        )
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const env = { BASE_URL: `http://127.0.0.1:${port}/v1/`, MODEL: 'tiny', API_KEY: 'secret' }
    const running = startProcess(process.execPath, [agent], { cwd, env })
    running.process.stdin?.end('hello\nhello again\n')
    const { stdout } = await running.ended
    server.close()
    expect(stdout).toContain('agent › a real answer')
    expect(stdout).toContain('✗ the model answered 500')
    expect(asked[0]?.authorization).toBe('Bearer secret')
    expect(JSON.parse(asked[0]?.body ?? '')).toMatchObject({ model: 'tiny', tools: [{ type: 'function' }] })
  })
})

it('examples/gateway: what the README shows is what it prints', async () => {
  const { stdout } = await startProcess(process.execPath, [gateway], { cwd }).ended
  expect(stdout.trimEnd()).toBe(recorded('node examples/gateway/gateway.js').join('\n'))
})

describe('examples/two-gateways', () => {
  const program = join(root, 'examples/two-gateways/two-gateways.js')
  const expected = (): string => recorded('node examples/two-gateways/two-gateways.js').join('\n')

  it('on a pipe: what the README shows is what it prints, and it ends by itself', async () => {
    const { code, stdout, stderr } = await startProcess(process.execPath, [program], { cwd }).ended
    expect(stdout.trimEnd()).toBe(expected())
    expect([code, stderr]).toEqual([0, ''])
  })

  it.skipIf(!hasScript() && process.env['CI'] === undefined)(
    'on a terminal: the same, in colour',
    async () => {
      const command = `stty cols 120 rows 40; ${process.execPath} ${program}`
      const { code, stdout } = await startProcess('script', ['-qec', command, '/dev/null'], { cwd }).ended
      expect(stdout).toContain('\u001b[36mnorth\u001b[0m → \u001b[36msouth\u001b[0m')
      expect(screenOf(stdout)).toBe(expected())
      expect(code).toBe(0)
    },
  )
})
