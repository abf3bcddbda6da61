import { describe, expect, it } from 'vitest'
import { connect, connected, everyWay, idIn, startHttp, stdioServer, temporaryFolder } from './support.js'

const own = ['wait', 'collect', 'interrupt', 'answer', 'capacity']
const registry = [
  'delegate_task',
  'delegate_task_async',
  'check_task_status',
  'list_peers',
  'get_workspace_info',
  'send_message_to_user',
]

describe.each(everyWay)('client %s over %s', (kind, wire) => {
  it('has the tools of the registry and the five of MCP, delegates, waits and collects', async () => {
    const client = await connected(kind, wire)
    if (kind !== 'v1') expect(kind).toContain(client.protocol)
    const tools = await client.tools()
    const names = tools.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining([...registry, ...own]))
    expect(names.slice(-own.length)).toEqual(own)
    expect(new Set(names).size).toBe(names.length)
    const { data: handle } = await client.call('delegate_task', { goal: 'sleep 0.2; echo one' })
    expect(handle).toMatchObject({ status: 'dispatched' })
    expect(handle['note']).toContain('`wait`')
    const id = idIn(handle)
    const messages: string[] = []
    const onprogress = ({ message = '' }): void => void messages.push(message)
    const waited = await client.call('wait', { task_id: id }, { onprogress })
    expect(waited.isError).toBe(false)
    expect(waited.data).toMatchObject({
      task_id: id,
      status: 'completed',
      result: { results: [{ summary: 'one' }] },
    })
    expect(JSON.parse(waited.text)).toEqual(waited.data)
    expect(messages.join('\n')).toMatch(/task 1: .*one/)

    const other = await client.call('delegate_task_async', { task: 'echo two' })
    expect(other.data).toMatchObject({ success: true, status: 'delegated' })
    const collected: unknown[] = []
    while (collected.length === 0) {
      const { data } = await client.call('collect')
      collected.push(...(data['completions'] as unknown[]))
    }
    // What `wait` gave is not told again.
    expect(collected).toMatchObject([{ task_id: other.data['task_id'], status: 'completed' }])
    expect((await client.call('collect')).data).toMatchObject({ count: 0 })
    const checked = await client.call('check_task_status', { task_id: id })
    expect(checked.data).toMatchObject({ status: 'completed', result: { results: [{ summary: 'one' }] } })
  })

  it('reads results and transcripts as resources', async () => {
    const client = await connected(kind, wire)
    const { data } = await client.call('delegate_task', {
      tasks: [{ goal: 'echo the first one' }, { goal: 'echo the second one' }],
    })
    const id = idIn(data)
    await client.call('wait', { task_id: id })
    expect(await client.resources()).toEqual([
      `delegation://${id}/result`,
      `delegation://${id}/transcript/1`,
      `delegation://${id}/transcript/2`,
    ])
    expect(JSON.parse(await client.read(`delegation://${id}/result`))).toMatchObject({
      result: { results: [{ summary: 'the first one' }, { summary: 'the second one' }] },
    })
    expect(await client.read(`delegation://${id}/transcript/2`)).toContain('stdout | the second one')
    for (const uri of [
      `delegation://${id}/transcript/3`,
      `delegation://${id}/transcript/0`,
      `delegation://${id}/transcript/../../x`,
      'delegation://deleg_00000000000000000000/result',
      'file:///etc/passwd',
    ])
      await expect(client.read(uri), uri).rejects.toMatchObject({ code: -32602 })
  })

  it('a refusal is data, with what a model must know', async () => {
    const client = await connected(kind, wire)
    for (let live = 0; live < 3; live += 1) await client.call('delegate_task', { goal: 'sleep 60' })
    const refused = await client.call('delegate_task', { goal: 'echo no' })
    expect(refused.isError).toBe(true)
    expect(refused.data).toMatchObject({
      status: 'rejected',
      refusal: { code: 'CAPACITY', limit: 3, inUse: 3 },
    })
    expect(refused.data['note']).toContain('Do not retry in a loop')
    expect((await client.call('capacity')).data).toMatchObject({ limit: 3, in_use: 3, free: 0 })
    const stopped = await client.call('interrupt', { all: true })
    expect(stopped.data).toMatchObject({ units: 3, unreachable: 0 })
    expect((await client.call('delegate_task', { goal: 'echo yes' })).isError).toBe(false)
  })
})

describe('sessions', () => {
  it("another session's units are not found, by any tool, task or resource", async () => {
    const folder = temporaryFolder()
    const mine = await connect('v1', stdioServer(folder, ['--session', 'a']))
    const other = await connect('v1', stdioServer(folder, ['--session', 'b']))
    const { data } = await mine.call('delegate_task', { goal: 'sleep 60' })
    const id = idIn(data)
    for (const [name, input] of [
      ['wait', { task_id: id }],
      ['check_task_status', { task_id: id }],
      ['interrupt', { task_id: id }],
      ['answer', { task_id: id, text: 'x' }],
    ] as const) {
      const { isError, data: told } = await other.call(name, input)
      expect({ name, isError, error: told['error'] }).toEqual({
        name,
        isError: true,
        error: `Task not found: ${id}.`,
      })
    }
    expect(await other.resources()).toEqual([])
    await expect(other.read(`delegation://${id}/transcript/1`)).rejects.toMatchObject({ code: -32602 })
    expect((await other.call('capacity')).data).toMatchObject({ in_use: 1, holders: [] })
    expect((await mine.call('capacity')).data).toMatchObject({ holders: [{ delegation_id: id }] })
    expect((await other.call('interrupt', { all: true })).data).toMatchObject({ units: 0 })
    expect((await mine.call('check_task_status', { task_id: id })).data).toMatchObject({
      status: 'in_progress',
    })
  })

  it('over HTTP the session is what the host says of the request', async () => {
    const { url } = await startHttp(temporaryFolder(), { sessionFrom: 'x-user' })
    const mine = await connect('v2, 2026-07-28', url, { 'x-user': 'a' })
    const other = await connect('v2, 2025-11-25', url, { 'x-user': 'b' })
    const { data } = await mine.call('delegate_task', { goal: 'echo mine' })
    expect((await other.call('wait', { task_id: idIn(data) })).isError).toBe(true)
    expect((await mine.call('wait', { task_id: idIn(data) })).isError).toBe(false)
    await expect(connect('v1', url)).rejects.toThrow(/Unauthorized/)
  })
})
