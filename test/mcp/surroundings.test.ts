/** Peers and memories over MCP: the command, the official client, and workspaces on real sockets. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { serving, tokens } from '../a2a/server/serving.js'
import { atEnd, enroll, eventually, start as startPlatform, workspace } from '../platform/scene.js'
import { connect, stdioServer, temporaryFolder, type AnyClient, type Data } from './support.js'

interface Given {
  readonly config?: object
  readonly env?: Readonly<Record<string, string>>
  readonly folder?: string
  readonly session?: string
}

/** The command with this configuration. */
async function client({ config = {}, env = {}, folder = temporaryFolder(), session = 's' }: Given) {
  writeFileSync(join(folder, 'hermes-delegate.yaml'), JSON.stringify(config))
  const server = stdioServer(folder, ['--session', session])
  const connected = await connect('v2, 2025-11-25', { ...server, env: { ...server.env, ...env } })
  return { folder, client: connected }
}

const auditOf = (folder: string): Data[] =>
  readFileSync(join(folder, 'audit.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Data)

async function ended(of: AnyClient, workspaceId: string, taskId: unknown): Promise<Data> {
  return eventually(async () => {
    const { data } = await of.call('check_task_status', { workspace_id: workspaceId, task_id: taskId })
    return data['status'] === 'completed' || data['status'] === 'failed' ? data : undefined
  })
}

describe('peers of the configuration', () => {
  async function painter() {
    const served = await serving()
    atEnd(() => served[Symbol.asyncDispose]())
    const peer = { url: served.url, auth: { token_env: 'PAINTER' } }
    return { runners: { painter: { peer }, notes: { builtin: 'shell' } } }
  }
  const env = { PAINTER: tokens.alice, AUDIT_LOG_PATH: '' }

  it('are listed, delegated to in both ways, and looked at; the audit has each of it', async () => {
    const folder = temporaryFolder()
    const config = { ...(await painter()), audit: { path: join(folder, 'audit.log') } }
    const { client: mcp } = await client({ config, env, folder })
    expect((await mcp.call('list_peers')).data).toMatchObject({
      count: 1,
      peers: [{ workspace_id: 'painter', status: 'online' }],
    })
    expect((await mcp.call('get_workspace_info')).data).toMatchObject({
      workspace_id: 'self',
      status: 'online',
    })
    const answered = await mcp.call('delegate_task', { workspace_id: 'painter', task: 'echo green' })
    expect(answered.data).toMatchObject({ workspace_id: 'painter', status: 'completed', result: 'green' })
    const { data } = await mcp.call('delegate_task_async', { workspace_id: 'painter', task: 'refuse it' })
    expect(await ended(mcp, 'painter', data['task_id'])).toMatchObject({ status: 'failed' })
    const gone = await mcp.call('delegate_task', { workspace_id: 'nobody', task: 'echo x' })
    expect(gone.data['error']).toMatch(/^DELEGATION FAILED to nobody/)
    const told = await mcp.call('send_message_to_user', { message: 'hello' })
    expect(told).toMatchObject({ isError: true, data: { error: 'this host has no chat to send to' } })
    await mcp.close()
    const audit = await eventually(() => {
      const all = auditOf(folder)
      return all.length >= 4 ? all : undefined
    })
    expect(audit.map(({ outcome, resource }) => [resource, outcome])).toEqual([
      ['painter', 'dispatched'],
      ['painter', 'success'],
      ['painter', 'dispatched'],
      ['painter', 'failure'],
    ])
    expect(audit[2]).toMatchObject({ trace_id: data['task_id'], task_preview: 'refuse it' })
    expect(audit[3]).toMatchObject({ trace_id: data['task_id'], workspace_id: 'self', action: 'delegate' })
  })

  it('B23: who may not delegate reaches no peer, and keeps no memory; the audit has the denial', async () => {
    const folder = temporaryFolder()
    const audit = { path: join(folder, 'audit.log') }
    const rbac = { roles: ['memory-readonly'] }
    const { client: mcp } = await client({ config: { ...(await painter()), audit, rbac }, env, folder })
    for (const [name, input] of [
      ['delegate_task', { workspace_id: 'painter', task: 'echo green' }],
      ['delegate_task_async', { workspace_id: 'painter', task: 'echo green' }],
    ] as const) {
      const { isError, data } = await mcp.call(name, input)
      expect(isError).toBe(true)
      expect(data['error']).toContain("RBAC: permission 'delegate' is missing (roles: memory-readonly)")
    }
    expect((await mcp.call('commit_memory', { content: 'x' })).data).toMatchObject({
      code: 'MEMORY_DENIED',
      permission: 'memory.write',
    })
    expect((await mcp.call('recall_memory')).data).toMatchObject({ count: 0 })
    const [denial] = await eventually(() => {
      const all = auditOf(folder)
      return all.length >= 2 ? all : undefined
    })
    expect(denial).toMatchObject({
      ...{ event_type: 'rbac', action: 'rbac.deny', outcome: 'denied', resource: 'painter' },
      ...{ attempted_action: 'delegate', roles: ['memory-readonly'] },
    })
  })

  it('without any, that is said; runners that are no peers are none', async () => {
    const { client: mcp } = await client({ config: { runners: { notes: { builtin: 'shell' } } } })
    expect((await mcp.call('list_peers')).data).toMatchObject({ code: 'NO_PEERS' })
  })
})

describe('in a workspace of a Molecule platform', () => {
  it('peers are those of the platform, the chat is the platform’s, and what was started is a unit', async () => {
    const { url } = await startPlatform()
    const peer = await workspace()
    const own = await enroll(url, { name: 'Lead' })
    const callee = await enroll(url, { url: peer.url, name: 'Researcher' })
    const folder = temporaryFolder()
    const env = { PLATFORM_URL: url, WORKSPACE_ID: own.id, WORKSPACE_AUTH_TOKEN: own.token }
    const config = { audit: { path: join(folder, 'audit.log') } }
    const { client: mcp } = await client({ env, folder, config })
    expect((await mcp.call('list_peers')).data).toMatchObject({
      count: 1,
      peers: [{ workspace_id: callee.id, name: 'Researcher', status: 'online' }],
    })
    expect((await mcp.call('get_workspace_info')).data).toMatchObject({ workspace_id: own.id, name: 'Lead' })
    const sync = await mcp.call('delegate_task', { workspace_id: callee.id, task: 'count' })
    expect(sync.data['result']).toContain('did count')
    const { data } = await mcp.call('delegate_task_async', { workspace_id: callee.id, task: 'count again' })
    expect(data['task_id']).toMatch(/^deleg_/)
    const seen = await ended(mcp, callee.id, data['task_id'])
    expect(seen).toMatchObject({ status: 'completed' })
    expect(seen['result']).toContain('did count again')
    await mcp.call('send_message_to_user', { message: 'there are 42' })
    const { rows } = await own.call('GET /workspaces/:id/activity')
    expect(rows.find(({ method }) => method === 'notify')).toMatchObject({ summary: 'there are 42' })
    const other = await client({ env, folder, config, session: 'another' })
    const foreign = await other.client.call('check_task_status', {
      ...{ workspace_id: callee.id, task_id: data['task_id'] },
    })
    expect(foreign.isError).toBe(true)
    await mcp.close()
    const outcomes = await eventually(() => {
      const all = auditOf(folder).map(({ outcome }) => outcome)
      return all.length >= 4 ? all : undefined
    })
    expect(outcomes).toEqual(['dispatched', 'success', 'dispatched', 'success'])
  })

  it('a number of the environment that is none is told, and nothing is served', async () => {
    const env = { PLATFORM_URL: 'http://127.0.0.1:9', WORKSPACE_ID: 'own', DELEGATION_TIMEOUT: 'soon' }
    await expect(client({ env })).rejects.toThrow()
  })
})

describe('memories', () => {
  it('are found by the next server of the session, beside the ledger, and by no other session', async () => {
    const { client: first, folder } = await client({})
    expect((await first.call('commit_memory', { content: 'the door code is on the fridge' })).isError).toBe(
      false,
    )
    await first.call('commit_memory', { content: 'we meet on Monday', scope: 'TEAM' })
    await first.close()
    const { client: second } = await client({ folder })
    const found = (await second.call('recall_memory', { query: 'door' })).data
    expect(found).toMatchObject({ count: 1, memories: [{ content: 'the door code is on the fridge' }] })
    const { client: third } = await client({ folder, session: 'another' })
    const seen = (await third.call('recall_memory')).data
    expect(seen).toMatchObject({ count: 1, memories: [{ content: 'we meet on Monday' }] })
    expect(readFileSync(join(folder, 'memory.db')).length).toBeGreaterThan(0)
  })
})
