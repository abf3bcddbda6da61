import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { TaskState } from '@a2a-js/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { messageOf, sent, serving, stateOf, tokens, type Serving } from './serving.js'

let server: Serving
beforeAll(async () => {
  server = await serving({
    serve: { max_body_kb: 64, max_streams: 4 },
    delegation: { max_async_children: 4 },
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const message = (text: string, more: object = {}) => ({
  kind: 'message',
  messageId: `by-hand-${Math.floor(performance.now() * 1000)}`,
  role: 'user',
  parts: [{ kind: 'text', text }],
  ...more,
})
const legacy = { version: '' }

describe('0.3 on the wire', () => {
  it('the card for who names no version has what a client of 0.3 looks for, and one of 1.0 finds it, too', async () => {
    const card = (await (await fetch(`${server.url}/.well-known/agent-card.json`)).json()) as Record<
      string,
      unknown
    >
    expect(card).toMatchObject({
      url: `${server.url}/a2a`,
      preferredTransport: 'JSONRPC',
      capabilities: {
        streaming: true,
        pushNotifications: true,
        extensions: [{ uri: 'urn:hermes-delegate:a2a:deduplicates-message-id' }],
      },
      securitySchemes: { bearer: { type: 'http', scheme: 'Bearer' } },
      skills: [{ id: 'do', name: 'Do' }],
    })
    expect(String(card['protocolVersion'])).toMatch(/^0\.3/)
    expect(card['supportedInterfaces']).toHaveLength(3)
    const old = (await (await fetch(`${server.url}/.well-known/agent.json`)).json()) as Record<
      string,
      unknown
    >
    expect(old['url']).toBe(card['url'])
    const response = await fetch(`${server.url}/.well-known/agent-card.json`, {
      headers: { 'a2a-version': '1.0' },
    })
    const modern = (await response.json()) as Record<string, unknown>
    expect([modern['url'], modern['supportedInterfaces']]).toEqual([undefined, card['supportedInterfaces']])
    const extensions = [{ uri: 'urn:hermes-delegate:a2a:deduplicates-message-id' }]
    expect(modern['capabilities']).toMatchObject({ extensions })
  })

  it('B21: message/send, tasks/get and tasks/cancel; parts say what they are as 0.3 does', async () => {
    const blocking = { configuration: { blocking: true } }
    const { body } = await server.rpc('message/send', { message: message('echo old'), ...blocking }, legacy)
    expect(body).toMatchObject({
      jsonrpc: '2.0',
      id: 7,
      result: {
        kind: 'task',
        status: { state: 'completed' },
        artifacts: [{ artifactId: 'child-0', parts: [{ kind: 'text', text: 'old' }] }],
      },
    })
    const { id } = body.result
    const got = await server.rpc('tasks/get', { id }, { version: '0.3' })
    expect(got.body.result).toMatchObject({ id, kind: 'task', status: { state: 'completed' } })
    const canceled = await server.rpc('tasks/cancel', { id }, legacy)
    expect(canceled.body.error?.code).toBe(-32002)
    const unknown = await server.rpc('tasks/get', { id: 'deleg_00000000000000000000' }, legacy)
    expect(unknown.body.error?.code).toBe(-32001)
  })

  it('message/stream, to its final event', async () => {
    const response = await fetch(`${server.url}/a2a`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens.alice}` },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'message/stream',
        params: { message: message('echo a') },
      }),
    })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const events = (await response.text())
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => (JSON.parse(line.slice(6)) as { result: Record<string, unknown> }).result)
    expect(events[0]).toMatchObject({ kind: 'task' })
    expect(events.at(-2)).toMatchObject({ kind: 'artifact-update' })
    expect(events.at(-1)).toMatchObject({
      kind: 'status-update',
      final: true,
      status: { state: 'completed' },
    })
  })

  it('input-required, and its answer', async () => {
    const blocking = { configuration: { blocking: true } }
    const asked = await server.rpc('message/send', { message: message('ask x y'), ...blocking }, legacy)
    const { id: taskId, status } = asked.body.result
    expect(status).toMatchObject({ state: 'input-required', message: { role: 'agent' } })
    const answer = { message: message('x', { taskId }), ...blocking }
    const done = await server.rpc('message/send', answer, legacy)
    expect(done.body.result.artifacts[0]?.parts[0]?.text).toBe('you said x')
  })
})

describe('who may call', () => {
  it.each([
    ['no token', ''],
    ['a token of nobody', 'Bearer nobody-nobody-nobody'],
    ['another scheme', `Basic ${tokens.alice}`],
    ['a token with more behind it', `Bearer ${tokens.alice} more`],
  ])('B22: %s is 401, before anything is read, by both bindings', async (_what, authorization) => {
    for (const path of ['/a2a', '/a2a/rest/message:send']) {
      const response = await fetch(server.url + path, {
        method: 'POST',
        headers: { authorization },
        body: '{',
      })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
      expect(await response.text()).not.toContain(tokens.alice)
    }
  })

  it('a version that is not spoken is told so', async () => {
    const { body } = await server.rpc('GetTask', { id: 'x' }, { version: '2.0' })
    expect(body.error).toMatchObject({ code: -32009 })
    const headers = { authorization: `Bearer ${tokens.alice}`, 'a2a-version': '0.3' }
    expect((await fetch(`${server.url}/a2a/rest/tasks`, { headers })).status).toBe(400)
  })
})

describe('what is sent to break it', () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/a2a`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens.alice}`, 'a2a-version': '1.0', ...headers },
      body,
    })
  const json = { 'content-type': 'application/json' }

  afterAll(async () => {
    // It serves as before.
    expect(stateOf(await sent(await server.client(), messageOf('echo still here')))).toBe(
      'TASK_STATE_COMPLETED',
    )
  })

  it('a body over the bound is 413: by its length, and when it lies about that', async () => {
    expect((await post('x'.repeat(64 * 1024 + 1), json)).status).toBe(413)
    const status = await new Promise<number | string>((resolve) => {
      const request = httpRequest(`${server.url}/a2a`, {
        method: 'POST',
        headers: { ...json, authorization: `Bearer ${tokens.alice}`, 'transfer-encoding': 'chunked' },
      })
      request.on('response', (response) => resolve(response.statusCode ?? 0))
      request.on('error', (error) => resolve(error.message))
      // More than it may, and then nothing: it would wait for ever.
      request.write('x'.repeat(64 * 1024 + 1))
    })
    expect(status).toBe(413)
  })

  it('a compressed body is 415', async () => {
    expect((await post('x', { ...json, 'content-encoding': 'gzip' })).status).toBe(415)
  })

  it('what is no JSON, no request, or too deep to be one, is an error of JSON-RPC', async () => {
    const deep = '['.repeat(30_000) + ']'.repeat(30_000)
    const params = `{"message":{"messageId":"deep","role":"ROLE_USER","parts":[{"text":"echo"},{"data":${deep}}]}}`
    for (const body of ['{', '[]', '"text"', '{"jsonrpc":"2.0","method":7}', deep]) {
      const response = await post(body, json)
      const { error } = (await response.json()) as { error: { code: number } }
      expect([response.status, typeof error.code]).toEqual([200, 'number'])
    }
    const response = await post(`{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":${params}}`, json)
    expect((await response.json()) as object).toMatchObject({ jsonrpc: '2.0' })
  })

  it('another content type is refused as the protocol says', async () => {
    const answer = (await (await post('{}', { 'content-type': 'text/plain' })).json()) as {
      error: { code: number }
    }
    expect(answer.error.code).toBe(-32005)
  })

  it('paths, methods and queries that are none', async () => {
    const headers = { authorization: `Bearer ${tokens.alice}`, 'a2a-version': '1.0' }
    const statusOf = async (method: string, path: string) =>
      (await fetch(server.url + path, { method, headers, ...(method === 'POST' && { body: '[]' }) })).status
    expect(await statusOf('GET', '/nothing')).toBe(404)
    expect(await statusOf('GET', '/a2a')).toBe(405)
    expect(await statusOf('DELETE', '/a2a/rest/tasks')).toBe(405)
    expect(await statusOf('GET', '/a2a/rest/nothing')).toBe(404)
    expect(await statusOf('GET', '/a2a/rest/tasks?pageSize=many')).toBe(400)
    expect(await statusOf('GET', '/a2a/rest/tasks/%E0%A4%A')).toBe(400)
    expect(await statusOf('POST', '/a2a/rest/message:send')).toBe(400)
    expect(await statusOf('GET', '/a2a/rest/tasks/deleg_00000000000000000000')).toBe(404)
  })

  it('streams beyond their number are refused before anything is begun; a call that would wait answers at once', async () => {
    const client = await server.client('bob')
    const file = join(server.folder, 'held')
    const holding = [1, 2].map(() => client.sendMessageStream({ ...sendOf(`hold ${file}`) }))
    for (const stream of holding) await stream.next()
    const before = (await client.listTasks(all)).totalSize
    const third = client.sendMessageStream(sendOf('echo more'))
    await expect(third.next()).rejects.toThrow(/open streams/)
    const params = { message: { messageId: 'm-third', role: 'ROLE_USER', parts: [{ text: 'echo x' }] } }
    const { body } = await server.rpc('SendStreamingMessage', params, { token: tokens.bob })
    expect(body.error).toMatchObject({ code: -32004 })
    // Another caller has its own.
    const alice = await server.client('alice')
    const own: string[] = []
    for await (const { payload } of alice.sendMessageStream(sendOf('echo mine')))
      own.push(payload?.$case ?? '')
    expect(own).toContain('artifactUpdate')
    expect((await client.listTasks(all)).totalSize).toBe(before)
    const task = await sent(client, messageOf(`hold ${file}`))
    expect(stateOf(task)).toMatch(/SUBMITTED|WORKING/)
    // Who leaves makes room.
    writeFileSync(file, '')
    for (const stream of holding) for await (const event of stream) expect(event.payload).toBeDefined()
    expect(stateOf(await sent(client, messageOf('echo room')))).toBe('TASK_STATE_COMPLETED')
  })

  it('readers that leave in the middle give their streams back, and leave their tasks alone', async () => {
    const client = await server.client('bob')
    const file = join(server.folder, 'left')
    const leave = new AbortController()
    const begun: string[] = []
    for (const stream of [1, 2].map(() =>
      client.sendMessageStream(sendOf(`hold ${file}`), { signal: leave.signal }),
    )) {
      const { value } = await stream.next()
      if (value?.payload?.$case === 'task') begun.push(value.payload.value.id)
    }
    leave.abort()
    await expect
      .poll(
        () =>
          client
            .sendMessageStream(sendOf('echo room'))
            .next()
            .then(
              () => true,
              () => false,
            ),
        {
          timeout: 10_000,
        },
      )
      .toBe(true)
    writeFileSync(file, '')
    for (const id of begun)
      await expect
        .poll(async () => stateOf(await client.getTask({ tenant: '', id })), { timeout: 10_000 })
        .toBe('TASK_STATE_COMPLETED')
    expect(begun).toHaveLength(2)
  })

  it.each([
    ['that dies in the middle of its message', 10_000, true],
    ['whose message is longer than it says', 20, false],
  ])('a client %s has sent none', async (_name, length, dies) => {
    const client = await server.client('bob')
    const before = (await client.listTasks(all)).totalSize
    const message = { messageId: 'cut', role: 'ROLE_USER', parts: [{ text: 'echo cut' }] }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message } })
    const head = `POST /a2a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tokens.bob}\r\na2a-version: 1.0`
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    const gone = new Promise((resolve) => socket.on('error', resolve).once('close', resolve).resume())
    const typed = `${head}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`
    socket.write(typed, () => dies && socket.destroy())
    await gone
    // Had it begun anything, that would be there by now.
    await sent(client, messageOf('echo after'))
    expect((await client.listTasks(all)).totalSize).toBe(before + 1)
  })

  it('P1: at the cap a task is REJECTED, with the refusal as data, and nothing is left of it', async () => {
    const client = await server.client('bob')
    const file = join(server.folder, 'full')
    const immediate = { returnImmediately: true }
    const held = Array.from({ length: 3 }, () => messageOf(`hold ${file}`))
    for (const message of held) await sent(client, message, immediate)
    const before = (await client.listTasks(all)).totalSize
    const message = messageOf('echo too much')
    const refused = await sent(client, message)
    expect(stateOf(refused)).toBe('TASK_STATE_REJECTED')
    const refusal = refused.status?.message?.parts[1]?.content?.value as Record<string, unknown>
    const words = 'the agent is at its capacity; try later'
    expect(refusal).toEqual({ code: 'CAPACITY', retry_hint: words })
    expect(refused.status?.message?.parts[0]?.content?.value).toBe(words)
    expect(stateOf(await client.getTask({ tenant: '', id: refused.id }))).toBe('TASK_STATE_REJECTED')
    const alice = await server.client('alice')
    await expect(alice.getTask({ tenant: '', id: refused.id })).rejects.toThrow(/there is no task/)
    // The last slot is another caller's; what was sent before has its task, share or not.
    expect(stateOf(await sent(alice, messageOf('echo mine')))).toBe('TASK_STATE_COMPLETED')
    expect(stateOf(await sent(client, held[0]!, immediate))).toMatch(/SUBMITTED|WORKING/)
    expect((await client.listTasks(all)).totalSize).toBe(before)
    writeFileSync(file, '')
    // Nothing had come of it: the same message is a new try.
    await expect
      .poll(async () => stateOf(await sent(client, message)), { timeout: 10_000 })
      .toBe('TASK_STATE_COMPLETED')
  })
})

const sendOf = (text: string) => ({
  tenant: '',
  message: messageOf(text),
  metadata: undefined,
  configuration: undefined,
})
const all = {
  tenant: '',
  contextId: '',
  status: TaskState.TASK_STATE_UNSPECIFIED,
  pageToken: '',
  statusTimestampAfter: undefined,
}
