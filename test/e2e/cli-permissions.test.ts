/** Permissions and the audit of the configuration, on every way from the command to a peer. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { messageOf, sent, serving, stateOf, tokens } from '../a2a/server/serving.js'
import { connect, stdioServer } from '../mcp/support.js'
import { start, until, type Ended } from './cli-process.js'

let cwd: string
let server: Server
let asked: number
let url: string
beforeEach(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'hermes-cli-'))
  asked = 0
  server = createServer((_request, response) => {
    asked += 1
    response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.close()
  rmSync(cwd, { recursive: true, force: true })
})

const nesting = fileURLToPath(new URL('../fixtures/cli/nesting.js', import.meta.url))

function configured(rbac?: object, runners: object = {}): void {
  const config = {
    delegation: { max_spawn_depth: 2, runner: 'painter' },
    audit: { path: 'audit.log' },
    ledger: { path: 'ledger.db' },
    runners: {
      painter: { peer: { url, retry: { max_retries: 0 } } },
      library: {
        molecule: { platform_url: url, workspaces: [{ id: 'own', token_env: 'T' }], target: 'other' },
      },
      asks: { module: nesting },
      ...runners,
    },
    ...(rbac && { rbac }),
  }
  writeFileSync(join(cwd, 'hermes-delegate.yaml'), JSON.stringify(config))
}

const run = (...args: string[]): Promise<Ended> =>
  start(args, { cwd, env: { T: 'a-token', AUDIT_LOG_PATH: '' } }).ended

function audited(): Record<string, unknown>[] {
  const lines = readFileSync(join(cwd, 'audit.log'), 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}
const outcomes = (): unknown[] => audited().map(({ resource, outcome }) => [resource, outcome])

const denied = "RBAC: permission 'delegate' is missing (roles: read-only)"
const readOnly = { roles: ['read-only'] }

describe('B23: who may not delegate', () => {
  it.each([
    ['a peer', ['run', '-r', 'painter', 'paint'], 'painter'],
    ['the default runner', ['run', 'paint'], 'painter'],
    ['a batch', ['run', '-r', 'painter', 'paint', 'draw'], 'painter'],
    ['a workspace of a platform', ['run', '-r', 'library', 'read'], 'library'],
    ['a peer, detached', ['run', '--detach', '-r', 'painter', 'paint'], 'painter'],
  ])('reaches no peer by run: %s', async (_what, args, resource) => {
    configured(readOnly)
    const { code, stderr, stdout } = await run(...args)
    expect([code, stdout, asked]).toEqual([2, '', 0])
    expect(stderr).toContain(denied)
    expect(audited()).toMatchObject([
      { event_type: 'rbac', action: 'rbac.deny', outcome: 'denied', resource, roles: ['read-only'] },
    ])
    expect((await run('list')).stdout).not.toContain('deleg_')
  })

  it('reaches none through a child', async () => {
    configured(readOnly)
    const { stdout } = await run('run', '-r', 'asks', '--role', 'orchestrator', 'painter')
    expect(stdout).toContain(denied)
    expect(asked).toBe(0)
    expect(outcomes()).toEqual([['painter', 'denied']])
  })

  it('reaches none over mcp by a tool without a workspace', async () => {
    configured(readOnly)
    const stdio = stdioServer(cwd, ['-r', 'painter', '--session', 's'])
    const env: typeof stdio.env & Record<string, string> = { ...stdio.env, AUDIT_LOG_PATH: '' }
    const client = await connect('v2, 2025-11-25', { ...stdio, env })
    const { isError, data } = await client.call('delegate_task', { goal: 'paint' })
    expect(isError).toBe(true)
    expect(data['error'] ?? data['message']).toContain(denied)
    await client.close()
    expect(asked).toBe(0)
    await until(() => outcomes().length === 1)
  })

  it('reaches none through a server: its task is REJECTED, in every dialect, and leaves nothing', async () => {
    const served = await serving({
      config: {
        rbac: readOnly,
        runners: { served: { peer: { url } } },
        audit: { path: join(cwd, 'audit.log') },
      },
      env: { AUDIT_LOG_PATH: '' },
    })
    try {
      const words = "the agent has not the permission 'delegate', which the task needs"
      const refusal = { code: 'PERMISSION_DENIED', permission: 'delegate' }
      for (const transport of ['JSONRPC', 'HTTP+JSON'] as const) {
        const client = await served.client('alice', transport)
        const task = await sent(client, messageOf('paint'))
        expect(stateOf(task)).toBe('TASK_STATE_REJECTED')
        expect(task.status?.message?.parts.map(({ content }): unknown => content?.value)).toEqual([
          words,
          refusal,
        ])
        expect(await client.getTask({ tenant: '', id: task.id })).toEqual(task)
      }
      const goals = { goals: ['paint', 'draw'] }
      const parts = [{ kind: 'data', data: goals }]
      const message = { kind: 'message', messageId: 'old', role: 'user', parts }
      const { status, body } = await served.rpc('message/send', { message }, { version: '0.3' })
      expect([status, body.error, body.result.status.state]).toEqual([200, undefined, 'rejected'])
      expect(body.result.status.message).toMatchObject({ parts: [{ text: words }, { data: refusal }] })
      expect((await served.command('list')).stdout).not.toContain('deleg_')
    } finally {
      await served[Symbol.asyncDispose]()
    }
    expect(asked).toBe(0)
    expect(outcomes()).toEqual([1, 2, 3].map(() => ['served', 'denied']))
  })

  it('may still run what is no peer', async () => {
    configured(readOnly)
    expect((await run('run', '-r', 'shell', 'echo green')).code).toBe(0)
  })
})

describe('a section of another name is no default', () => {
  it.each(['RBAC', 'Rbac', 'rbacs'])('%s is a mistake, and nothing runs', async (name) => {
    configured(undefined)
    writeFileSync(join(cwd, 'hermes-delegate.yaml'), `${name}: { roles: [read-only] }\n`)
    const { code, stderr } = await run('run', '-r', 'shell', 'echo x')
    expect([code, stderr.includes(name)]).toEqual([2, true])
  })

  it('one that is there and empty grants nothing', async () => {
    configured()
    const path = join(cwd, 'hermes-delegate.yaml')
    for (const section of ['null', '{ roles: null }']) {
      const text = readFileSync(path, 'utf8')
      writeFileSync(path, `${text.slice(0, -1)}, rbac: ${section}}`)
      expect((await run('run', '-r', 'painter', 'paint')).code).toBe(2)
      writeFileSync(path, text)
    }
    expect(asked).toBe(0)
  })
})

describe('the audit', () => {
  it('has who was asked, and the end, of a run, a batch and what a child began', async () => {
    configured()
    expect((await run('run', '-r', 'painter', 'paint')).code).toBe(1)
    expect(asked).toBeGreaterThan(0)
    const [began, end] = audited()
    expect(began).toMatchObject({ outcome: 'dispatched', resource: 'painter', task_preview: 'paint' })
    expect(end).toMatchObject({ outcome: 'failure', resource: 'painter', trace_id: began?.['trace_id'] })
    await run('run', '-r', 'painter', 'paint', 'draw')
    await run('run', '-r', 'asks', '--role', 'orchestrator', 'painter')
    expect(outcomes()).toEqual(
      Array.from({ length: 3 }, () => [
        ['painter', 'dispatched'],
        ['painter', 'failure'],
      ]).flat(),
    )
    expect(audited()[4]).toHaveProperty('parent_id')
  })

  it('of a server has who gave which task', async () => {
    const served = await serving({ env: { AUDIT_LOG_PATH: join(cwd, 'audit.log') } })
    try {
      const peer = { url: served.url, auth: { token_env: 'PAINTER' } }
      configured(undefined, { painter: { peer } })
      const env = { PAINTER: tokens.alice, AUDIT_LOG_PATH: join(cwd, 'own.log') }
      expect((await start(['run', 'echo green'], { cwd, env }).ended).code).toBe(0)
      await until(() => audited().length === 2)
      const common = { action: 'receive', actor: 'alice', resource: 'served', workspace_id: 'self' }
      expect(audited()).toMatchObject([
        { ...common, outcome: 'dispatched', task_preview: 'echo green' },
        { ...common, outcome: 'success' },
      ])
    } finally {
      await served[Symbol.asyncDispose]()
    }
  })
})
