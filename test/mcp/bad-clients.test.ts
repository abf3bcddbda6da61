import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { mcpHandler } from '../../src/mcp/mcp.js'
import { untilFile, until, processesOf, uniqueSleep } from '../e2e/cli-process.js'
import { open, quick } from '../runtime/support.js'
import {
  callOf,
  connect,
  everyWay,
  idIn,
  initialize,
  rawStdio,
  request,
  startHttp,
  stdioServer,
  temporaryFolder,
  type Data,
} from './support.js'

const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' }
const cancelled = (requestId: number): Data => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId, reason: 'not wanted' },
})

describe('requests that are wrong', () => {
  it('out of order, garbled, unknown, or of the wrong shape: each is answered, and the server goes on', async () => {
    const { send, answerTo, messages, stderr } = rawStdio(temporaryFolder())
    // Before there is a session: a server of the older revisions is lenient here, and must not die.
    send(request(10, 'tasks/get', { taskId: 'deleg_00000000000000000000' }))
    expect(await answerTo(10)).toHaveProperty('error')
    send('this is no JSON', '{"jsonrpc":"2.0"', '[]', '{"id":7}', initialize, initialized)
    expect(await answerTo(1)).toMatchObject({ result: { protocolVersion: '2025-11-25' } })
    send(
      request(11, 'no/such/method'),
      request(12, 'tools/call', { arguments: {} }),
      callOf(13, 'no_such_tool'),
      request(14, 'tools/call', { name: 'wait', arguments: 'nonsense' }),
      cancelled(999),
      request(15, 'resources/read', {}),
      request(16, 'tasks/result', { taskId: 'deleg_00000000000000000000' }),
      { jsonrpc: '2.0', id: 99, result: { unasked: true } },
      request(17, 'ping'),
    )
    expect(await answerTo(11)).toMatchObject({ error: { code: -32601 } })
    expect(await answerTo(12)).toHaveProperty('error')
    expect(await answerTo(13)).toMatchObject({
      result: { isError: true, structuredContent: { error: 'Unknown tool: no_such_tool' } },
    })
    expect(await answerTo(14)).toHaveProperty('error')
    expect(await answerTo(15)).toHaveProperty('error')
    expect(await answerTo(16)).toMatchObject({ error: { code: -32602 } })
    expect(await answerTo(17)).toMatchObject({ result: {} })
    // Nothing but the protocol stands on standard output; what is wrong is told on standard error.
    for (const message of messages()) expect(message).toMatchObject({ jsonrpc: '2.0' })
    expect(stderr()).toMatch(/hermes-delegate: mcp: /)
  })

  it('arguments as models send them', async () => {
    const client = await connect('v1', stdioServer(temporaryFolder()))
    const { data } = await client.call('delegate_task', { goal: 'sleep 60' })
    const task_id = idIn(data)
    const early = await client.call('wait', { task_id, timeout_seconds: '0.05', verbose: true })
    expect(early).toMatchObject({ isError: false, data: { status: 'in_progress' } })
    expect(early.data['note']).toContain('verbose')
    for (const [name, input, error] of [
      ['wait', {}, "'task_id' is required."],
      ['wait', { task_id, timeout_seconds: 'soon' }, "'timeout_seconds' must be a number, got string."],
      ['wait', { task_id, timeout_seconds: -1 }, "'timeout_seconds' is from 0 to 3600, got -1."],
      ['wait', { task_id: 'x'.repeat(500) }, `Task not found: ${'x'.repeat(80)}.`],
      ['interrupt', {}, "Give a 'task_id', or 'all': true; one of the two."],
      ['interrupt', { task_id, all: 'true' }, "Give a 'task_id', or 'all': true; one of the two."],
      ['answer', { task_id }, "'text' is required."],
    ] as const) {
      const { isError, data: told } = await client.call(name, input)
      expect({ isError, error: told['error'] }, name).toEqual({ isError: true, error })
    }
    expect((await client.call('answer', { task_id, text: 'x' })).data).toMatchObject({
      status: 'not_waiting',
    })
    expect((await client.call('interrupt', { task_id })).data).toMatchObject({ units: 1, stopped: 1 })
  })
})

describe('requests that are cancelled', () => {
  it('before they started: nothing is started', async () => {
    const folder = temporaryFolder()
    const { send, answerTo, messages } = rawStdio(folder)
    send(initialize, initialized)
    await answerTo(1)
    send(
      callOf(2, 'delegate_task', { goal: 'sleep 60' }),
      cancelled(2),
      callOf(3, 'delegate_task', { action: 'list' }),
    )
    expect(await answerTo(3)).toMatchObject({ result: { structuredContent: { count: 0 } } })
    send(callOf(4, 'delegate_task', { action: 'list' }))
    expect(await answerTo(4)).toMatchObject({ result: { structuredContent: { count: 0 } } })
    expect(messages().some((message) => message['id'] === 2)).toBe(false)
  })

  it.each(everyWay)(
    'a wait (%s over %s): the unit goes on, and its end is there to collect',
    async (kind, wire) => {
      const folder = temporaryFolder()
      const client = await connect(
        kind,
        wire === 'HTTP' ? (await startHttp(folder)).url : stdioServer(folder),
      )
      const gate = `${folder}/open`
      const { data } = await client.call('delegate_task', {
        goal: `until [ -e ${gate} ]; do sleep 0.02; done; echo went on`,
      })
      const stop = new AbortController()
      const waiting = client.call(
        'wait',
        { task_id: idIn(data) },
        { signal: stop.signal, onprogress: () => stop.abort() },
      )
      setTimeout(() => stop.abort(), 300)
      await expect(waiting).rejects.toThrow()
      expect((await client.call('check_task_status', { task_id: idIn(data) })).data).toMatchObject({
        status: 'in_progress',
      })
      await client.call('delegate_task', { goal: `touch ${gate}` })
      const found: Data[] = []
      await until(async () => {
        const { data: collected } = await client.call('collect')
        found.push(...(collected['completions'] as Data[]))
        return found.some(({ task_id: id }) => id === idIn(data))
      })
      expect(found.find(({ task_id: id }) => id === idIn(data))).toMatchObject({
        status: 'completed',
        result: { results: [{ summary: 'went on' }] },
      })
    },
  )
})

describe('clients that vanish', () => {
  const slowly = (folder: string): string =>
    `touch ${folder}/started; until [ -e ${folder}/open ]; do sleep 0.02; done; echo kept`

  it('in the middle of a wait: the unit goes on, the server ends with it, and the next one has the result', async () => {
    const folder = temporaryFolder()
    const first = rawStdio(folder)
    first.send(initialize, initialized, callOf(2, 'delegate_task', { goal: slowly(folder) }))
    const handle = (await first.answerTo(2))['result'] as { structuredContent: Data }
    const task_id = idIn(handle.structuredContent)
    await untilFile(`${folder}/started`)
    first.send(callOf(3, 'wait', { task_id }))
    first.end()
    first.child.stdout.destroy()

    const next = await connect('v2, 2025-11-25', stdioServer(folder))
    expect((await next.call('check_task_status', { task_id })).data).toMatchObject({ status: 'in_progress' })
    expect((await next.call('delegate_task', { goal: `touch ${folder}/open` })).isError).toBe(false)
    const { data } = await next.call('wait', { task_id })
    expect(data).toMatchObject({ status: 'completed', result: { results: [{ summary: 'kept' }] } })
    expect(await first.exit).toEqual([0, null])
  })

  it('with nothing running: the server ends at once', async () => {
    const { send, answerTo, end, exit } = rawStdio(temporaryFolder())
    send(initialize, initialized)
    await answerTo(1)
    end()
    expect(await exit).toEqual([0, null])
  })

  it('that end the server with SIGTERM: what ran is stopped, and says so', async () => {
    const folder = temporaryFolder()
    const { send, answerTo, child, exit } = rawStdio(folder)
    const goal = uniqueSleep(60)
    send(initialize, initialized, callOf(2, 'delegate_task', { goal }))
    const handle = (await answerTo(2))['result'] as { structuredContent: Data }
    await until(() => processesOf(goal).length > 0)
    child.kill('SIGTERM')
    expect(await exit).toEqual([143, null])
    expect(processesOf(goal)).toEqual([])
    const next = await connect('v1', stdioServer(folder))
    const { data } = await next.call('check_task_status', { task_id: idIn(handle.structuredContent) })
    expect(data).toMatchObject({ status: 'failed', result: { results: [{ status: 'interrupted' }] } })
  })

  it('over HTTP, in the middle of a wait: the unit goes on', async () => {
    const folder = temporaryFolder()
    const { url } = await startHttp(folder)
    const client = await connect('v2, 2026-07-28', url)
    const { data } = await client.call('delegate_task', { goal: slowly(folder) })
    const task_id = idIn(data)
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const begun = await fetch(url, { method: 'POST', headers, body: JSON.stringify(initialize) })
    await begun.text()
    const session = { ...headers, 'mcp-session-id': begun.headers.get('mcp-session-id') ?? '' }
    const gone = new AbortController()
    const body = JSON.stringify(callOf(2, 'wait', { task_id }, { _meta: { progressToken: 1 } }))
    const waiting = await fetch(url, { method: 'POST', headers: session, body, signal: gone.signal })
    expect(waiting.status).toBe(200)
    gone.abort()
    await client.call('delegate_task', { goal: `touch ${folder}/open` })
    const found: Data[] = []
    await until(async () => {
      const { data: collected } = await client.call('collect')
      found.push(...(collected['completions'] as Data[]))
      return found.some(({ task_id: id }) => id === task_id)
    })
    expect(found.find(({ task_id: id }) => id === task_id)).toMatchObject({
      status: 'completed',
      result: { results: [{ summary: 'kept' }] },
    })
  })
})

describe('HTTP requests that may not pass', () => {
  const post = async (url: URL, headers: Readonly<Record<string, string>>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const given = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      }
      const sent = httpRequest(url, { method: 'POST', headers: given }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      sent.on('error', reject)
      sent.end(JSON.stringify(initialize))
    })

  it('a foreign host or origin (DNS rebinding), and a wrong token', async () => {
    const { url } = await startHttp(temporaryFolder(), { token: 'right' })
    const right = { authorization: 'Bearer right' }
    expect(await post(url, right)).toBe(200)
    expect(await post(url, { ...right, origin: 'http://localhost:3000' })).toBe(200)
    expect(await post(url, { ...right, host: 'evil.example' })).toBe(403)
    expect(await post(url, { ...right, origin: 'https://evil.example' })).toBe(403)
    expect(await post(url, { ...right, origin: 'null' })).toBe(403)
    for (const authorization of ['', 'Bearer wrong', 'Bearer right2', 'right', 'Basic right'])
      expect(await post(url, { authorization }), authorization).toBe(401)
    await expect(connect('v1', url)).rejects.toThrow(/Unauthorized/)
    expect((await connect('v2, 2026-07-28', url, right)).protocol).toBe('2026-07-28')
  })

  it('hosts that are allowed are the only ones', async () => {
    const { url } = await startHttp(temporaryFolder(), { allowedHosts: ['agents.example'] })
    expect(await post(url, { host: 'agents.example:8443' })).toBe(200)
    expect(await post(url, { host: 'agents.example', origin: 'https://agents.example' })).toBe(200)
    expect(await post(url, {})).toBe(403)
  })

  it("a transport's session that never was, or is another's, is not found; of very many the newest are kept", async () => {
    const delegator = await open({ runner: quick })
    const handler = mcpHandler({ delegator, sessionKey: (given) => given.headers.get('x-user') })
    const send = (message: Data, user: string, session?: string): Promise<Response> =>
      handler.fetch(
        new Request('http://localhost/mcp', {
          method: 'POST',
          body: JSON.stringify(message),
          headers: {
            host: 'localhost',
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'x-user': user,
            ...(session !== undefined && { 'mcp-session-id': session }),
          },
        }),
      )
    const begin = async (): Promise<string> =>
      (await send(initialize, 'a')).headers.get('mcp-session-id') ?? ''
    const first = await begin()
    expect((await send(request(2, 'ping'), 'a', first)).status).toBe(200)
    expect((await send(request(3, 'ping'), 'b', first)).status).toBe(404)
    expect((await send(request(4, 'ping'), 'a', 'no-such-session')).status).toBe(404)
    expect((await send(request(5, 'ping'), 'a')).status).toBe(400)
    const second = await begin()
    expect((await send(request(6, 'ping'), 'a', first)).status).toBe(200)
    for (let more = 0; more < 999; more += 1) await begin()
    expect((await send(request(7, 'ping'), 'a', first)).status).toBe(200)
    expect((await send(request(8, 'ping'), 'a', second)).status).toBe(404)
    await handler.close()
    expect((await send(request(9, 'ping'), 'a', first)).status).toBe(404)
    for (const sessionKey of ['', undefined])
      expect(() => mcpHandler({ delegator, sessionKey: sessionKey as string })).toThrow(/sessionKey/)
    expect(() => mcpHandler({ delegator, sessionKey: 's', token: '' })).toThrow(/token/)
  })
})
