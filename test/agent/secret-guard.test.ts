import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { agentRunner, type AgentRunnerOptions } from '../../src/agent/agent-runner.js'
import { readAgentOptions } from '../../src/agent/agent-options.js'
import { secretGuard } from '../../src/agent/secret-guard.js'
import { idOf, open, temporaryFolder } from '../runtime/support.js'
import { calls, fails, says, serve, type Turn } from './scripted-server.js'
import { quickRetry } from './support.js'

const key = 'proj-1f9c2a7788bb4455aa?+/'
process.env['GUARD_KEY'] = key

/** All that a host gets of one child: its event, its progress, its last checkpoint, its transcript. */
async function seenOf(turns: readonly Turn[], options: Partial<AgentRunnerOptions> = {}): Promise<string> {
  const server = await serve(...turns)
  const workdir = temporaryFolder()
  const delegator = await open({ transcripts: { folder: temporaryFolder() } })
  const progress: unknown[] = []
  delegator.events.on('progress', (told) => void progress.push(told))
  const runner = agentRunner({
    ...{ baseUrl: server.url, model: 'm', apiKeyEnv: 'GUARD_KEY', retry: quickRetry, workdir },
    ...options,
  })
  const handle = await delegator.dispatchBatch({ goals: ['go'], runner })
  const event = await delegator.wait(idOf(handle))
  const paths = Object.values(('liveTranscripts' in handle && handle.liveTranscripts) || {})
  expect(paths).toHaveLength(1)
  return [JSON.stringify([event, progress]), ...paths.map((path) => readFileSync(path, 'utf8'))].join('\n')
}

const inBase64 = Buffer.from(`Bearer ${key}`).toString('base64')
const forms = [key, encodeURIComponent(key), inBase64]

describe('the secrets that the runner knows', () => {
  it('a provider that repeats the key puts it nowhere', async () => {
    for (const status of [401, 500]) {
      const seen = await seenOf([fails(status, `Incorrect API key provided: ${forms.join(' ')}`)])
      expect(seen).toContain('Incorrect API key provided: [REDACTED:own-secret] [REDACTED:own-secret] ')
      // Of the first and the last of these, parts are of what stands beside the key.
      for (const part of [key.slice(0, 14), inBase64.slice(10, -4)]) expect(seen).not.toContain(part)
    }
  })

  it('nor does a model that says it, a tool that shows it, or a message that was cut within it', async () => {
    const told = await seenOf([calls(['list_files', { path: key }]), says(`it is ${key}`)])
    const cut = await seenOf([fails(400, `${'x'.repeat(970)} ${key}`)])
    for (const seen of [told, cut]) expect(seen).not.toContain(key.slice(0, 14))
    expect(told).toContain('it is [REDACTED:own-secret]')
  })

  it('nor that of an MCP server, also where it does not start', async () => {
    const secret = 'ghost-77aa88bb99cc'
    const script = 'console.error(process.env.GIT_TOKEN); process.exit(1)'
    const seen = await seenOf([says('ok')], {
      mcpServers: {
        git: { command: process.execPath, args: ['-e', script], env: { set: { GIT_TOKEN: secret } } },
      },
    })
    expect(seen).toContain('[REDACTED:own-secret]')
    expect(seen).not.toContain(secret)
  })

  it('what is short is a word, and what no name calls a secret is none', () => {
    const read = readAgentOptions({
      ...{ baseUrl: 'http://x/v1', apiKeyEnv: 'K' },
      terminal: { env: { set: { MODE: 'production-mode', DB_PASSWORD: 'hunter2hunter2' } } },
    })
    if ('problems' in read) throw new Error(read.problems.join('\n'))
    const guard = secretGuard(read.settings, { K: 'ollama' })
    expect(guard.text('ollama in production-mode: hunter2hunter2')).toBe(
      'ollama in production-mode: [REDACTED:own-secret]',
    )
    expect(guard.json({ a: ['hunter2hunter2', 1, null] })).toEqual({ a: ['[REDACTED:own-secret]', 1, null] })
  })
})
