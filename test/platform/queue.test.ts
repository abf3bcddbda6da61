import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../support/manual-clock.js'
import {
  answer,
  call,
  eventually,
  gate,
  enroll,
  json,
  messageBody,
  saidIn,
  start,
  task,
  workspace,
} from './scene.js'

describe('messages through the proxy', () => {
  it("the workspace's answer comes back, under the id of the request, with the caller's name and trace", async () => {
    const platform = await start()
    const peer = await workspace()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url, inbound_token: 'of-the-workspace' })
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const reply = await caller.call(`POST /workspaces/${callee.id}/a2a`, {
      body: { ...messageBody('x'), id: 'mine' },
      headers: { traceparent },
    })
    expect(reply).toMatchObject({ status: 200, body: { id: 'mine', result: { parts: [{ text: 'did x' }] } } })
    expect(peer.seen[0]!.headers).toMatchObject({
      'x-workspace-id': caller.id,
      authorization: 'Bearer of-the-workspace',
      traceparent,
    })
    const log = await callee.call('GET /workspaces/:id/activity?type=a2a_receive')
    expect(log.rows[0]).toMatchObject({ source_id: caller.id, target_id: callee.id, status: 'ok' })
  })

  it('B21: an envelope and a message id are added where they are missing', async () => {
    const platform = await start()
    const peer = await workspace()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const body = { message: { role: 'user', parts: [{ kind: 'text', text: 'bare' }] } }
    const reply = await caller.call(`POST /workspaces/${callee.id}/a2a`, { body })
    expect(reply.said).toBe('did bare')
    expect(peer.seen[0]).toMatchObject({ method: 'message/send', text: 'bare' })
    expect(peer.seen[0]!.messageId).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('K4: what a workspace cannot take at once waits, and nothing of a fan-out is lost', async () => {
    const platform = await start()
    let [now, most] = [0, 0]
    const peer = await workspace(async (seen, response) => {
      now += 1
      most = Math.max(most, now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now -= 1
      answer(response, `did ${seen.text}`)
    })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url, max_concurrent_tasks: 3 })
    const ids = await Promise.all(
      Array.from({ length: 30 }, (_, n) => caller.delegate(callee.id, `task ${n}`)),
    )
    const ended = await Promise.all(ids.map((id) => caller.until(id)))
    expect(ended.map(({ result }) => result)).toEqual(ids.map((_, n) => `did task ${n}`))
    expect(peer.seen).toHaveLength(30)
    expect(most).toBe(3)
  })

  it('a workspace that says it is at work is left alone until its heartbeat says otherwise', async () => {
    const platform = await start()
    const peer = await workspace()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    await callee.beat({ active_tasks: 1 })
    expect(await caller.send(callee.id, 'x')).toMatchObject({
      status: 202,
      body: { queued: true, queue_depth: 1 },
    })
    expect(peer.seen).toHaveLength(0)
    await callee.beat({ active_tasks: 0 })
    await eventually(() => peer.seen[0])
  })

  it('B8: one that is busy again gets the same row again, in its place, and no attempt is counted', async () => {
    const platform = await start()
    let busy = 3
    const peer = await workspace((seen, response) => {
      busy -= 1
      if (busy >= 0) json(response, 503, { error: 'busy' })
      else answer(response, `did ${seen.text}`)
    })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const first = await caller.send(callee.id, 'one')
    const second = await caller.send(callee.id, 'two')
    expect([first.status, second.status]).toEqual([202, 202])
    const look = () => caller.call(`GET /workspaces/${callee.id}/a2a/queue/${first.body.queue_id}`)
    const row = await eventually(async () => {
      await callee.beat()
      const { body } = await look()
      return body.status === 'completed' ? body : undefined
    })
    expect(row.attempts).toBe(1)
    expect(saidIn(row.response_body)).toBe('did one')
    await eventually(() => peer.seen.find(({ text }) => text === 'two'))
    expect(peer.seen.map(({ text }) => text)).toEqual(['one', 'one', 'one', 'one', 'two'])
  })

  it('B4: Retry-After is waited for, whatever heartbeats come', async () => {
    const clock = createManualClock(Date.now() / 1000)
    const platform = await start({ clock })
    const peer = await workspace((_seen, response, count) =>
      count === 1 ? json(response, 429, {}, { 'retry-after': '40' }) : answer(response, 'done'),
    )
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const id = await caller.delegate(callee.id, 'x')
    await caller.until(id, 'queued')
    await eventually(() => peer.seen[0])
    clock.advance(39_000)
    await callee.beat()
    expect(await caller.until(id, 'queued')).toMatchObject({ status: 'queued' })
    expect(peer.seen).toHaveLength(1)
    clock.advance(2_000)
    expect(await caller.until(id)).toMatchObject({ status: 'completed', result: 'done' })
  })

  it('an unreachable workspace: the message waits for its next sign of life', async () => {
    const platform = await start()
    const peer = await workspace()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: 'http://127.0.0.1:1/' })
    const id = await caller.delegate(callee.id, 'x')
    await caller.until(id, 'queued')
    await callee.call('POST /registry/register', { body: { id: callee.id, url: peer.url, agent_card: {} } })
    expect(await caller.until(id)).toMatchObject({ status: 'completed', result: 'did x' })
  })

  it('a silent workspace is offline; what comes for it waits, and is sent with its heartbeat', async () => {
    const clock = createManualClock(Date.now() / 1000)
    const platform = await start({ clock })
    const peer = await workspace()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    clock.advance(101_000)
    const { body: peers } = await caller.call('GET /registry/:id/peers')
    expect(peers).toMatchObject([{ id: callee.id, status: 'offline' }])
    const queued = await caller.send(callee.id, 'x')
    expect(queued).toMatchObject({ status: 202, body: { queued: true } })
    expect(peer.seen).toHaveLength(0)
    await callee.beat()
    await eventually(() => peer.seen[0])
    expect((await caller.call('GET /registry/:id/peers')).rows[0]!.status).toBe('online')
  })

  it('a repeated message id is one message: under way, waiting, and done', async () => {
    const platform = await start()
    const hold = gate()
    const peer = await workspace(async (seen, response) => {
      await hold.opened
      answer(response, `did ${seen.text}`)
    })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const message = { messageId: 'm-1' }
    const both = [caller.send(callee.id, 'x', message), caller.send(callee.id, 'x', message)]
    const waits = [
      await eventually(async () => {
        await eventually(() => peer.seen[0])
        return caller.send(callee.id, 'y', { messageId: 'm-2' })
      }),
      await caller.send(callee.id, 'y', { messageId: 'm-2' }),
    ]
    expect(waits[0]!.body.queue_id).toBe(waits[1]!.body.queue_id)
    hold.open()
    for (const reply of await Promise.all(both)) expect(reply.said).toBe('did x')
    const third = await caller.send(callee.id, 'x', message)
    expect(third.said).toBe('did x')
    await eventually(() => peer.seen[1])
    expect(peer.seen.map(({ messageId }) => messageId)).toEqual(['m-1', 'm-2'])
  })

  it("another caller's message id is another message", async () => {
    const platform = await start()
    const peer = await workspace((seen, response) =>
      answer(response, `for ${String(seen.headers['x-workspace-id'])}`),
    )
    const [a, b] = [await enroll(platform.url), await enroll(platform.url)]
    const callee = await enroll(platform.url, { url: peer.url })
    for (const who of [a, b]) {
      const reply = await who.send(callee.id, 'x', { messageId: 'same' })
      expect(reply.said).toBe(`for ${who.id}`)
    }
  })

  it('the queue is bounded: one more is refused with Retry-After, and a delegation leaves nothing', async () => {
    const platform = await start({ maxQueued: 2 })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url)
    await callee.beat({ active_tasks: 1 })
    await caller.send(callee.id, 'one')
    await caller.delegate(callee.id, 'two')
    const full = await caller.send(callee.id, 'three')
    expect(full).toMatchObject({
      status: 503,
      body: { code: 'queue_full', busy: true, retry_after: 30, limit: 2 },
    })
    expect(full.headers.get('retry-after')).toBe('30')
    const refused = await caller.call('POST /workspaces/:id/delegate', {
      body: { target_id: callee.id, task: 'x' },
    })
    expect(refused.body.code).toBe('queue_full')
    expect((await caller.call('GET /workspaces/:id/delegations')).body).toHaveLength(1)
  })

  it('one caller may fill half of a queue, by whatever way, and leaves the rest to others', async () => {
    const platform = await start({ maxQueued: 24 })
    const [greedy, other] = [await enroll(platform.url), await enroll(platform.url)]
    const callee = await enroll(platform.url)
    await callee.beat({ active_tasks: 1 })
    for (let at = 0; at < 6; at += 1) {
      await greedy.delegate(callee.id, `task ${at}`)
      expect((await greedy.send(callee.id, `message ${at}`)).status).toBe(202)
    }
    const refused = { status: 503, body: { code: 'queue_full', busy: true, retry_after: 30, limit: 12 } }
    expect(await greedy.send(callee.id, 'more')).toMatchObject(refused)
    const body = { target_id: callee.id, task: 'more' }
    expect(await greedy.call('POST /workspaces/:id/delegate', { body })).toMatchObject(refused)
    expect((await other.send(callee.id, 'mine')).status).toBe(202)
  })

  it('of a short queue a caller may have ten places', async () => {
    const platform = await start({ maxQueued: 12 })
    const [caller, callee] = [await enroll(platform.url), await enroll(platform.url)]
    await callee.beat({ active_tasks: 1 })
    for (let at = 0; at < 10; at += 1) expect((await caller.send(callee.id, `${at}`)).status).toBe(202)
    expect(await caller.send(callee.id, 'more')).toMatchObject({ status: 503, body: { limit: 10 } })
  })

  it('what waits too long is dropped, and its delegation has failed', async () => {
    const clock = createManualClock(Date.now() / 1000)
    const platform = await start({ clock, deadlineMs: 60_000 })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url)
    await callee.beat({ active_tasks: 1 })
    const id = await caller.delegate(callee.id, 'x')
    const sent = await caller.send(callee.id, 'y', {}, { expires_in_seconds: 20 })
    await caller.until(id, 'queued')
    clock.advance(30_000)
    const row = () => caller.call(`GET /workspaces/${callee.id}/a2a/queue/${sent.body.queue_id}`)
    expect((await row()).body).toMatchObject({ status: 'dropped' })
    expect(await caller.until(id, 'queued')).toMatchObject({ status: 'queued' })
    clock.advance(40_000)
    expect(await caller.until(id)).toMatchObject({ status: 'failed', error: 'deadline exceeded by sweeper' })
  })

  it('what a silent workspace works on is stuck, which its answer mends', async () => {
    const clock = createManualClock(Date.now() / 1000)
    const platform = await start({ clock, stuckMs: 60_000 })
    const hold = gate()
    const peer = await workspace(async (_seen, response) => {
      await hold.opened
      answer(response, 'late')
    })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const id = await caller.delegate(callee.id, 'x')
    await eventually(() => peer.seen[0])
    clock.advance(80_000)
    expect(await caller.until(id, 'stuck')).toMatchObject({ status: 'stuck' })
    hold.open()
    expect(await caller.until(id)).toMatchObject({ status: 'completed', result: 'late' })
  })

  it('a message that takes too long ends within its time', async () => {
    const clock = createManualClock(Date.now() / 1000)
    const platform = await start({ clock, taskTimeoutMs: 5_000 })
    const peer = await workspace(() => undefined)
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const id = await caller.delegate(callee.id, 'x')
    await eventually(() => peer.seen[0])
    clock.advance(5_000)
    const ended = await caller.until(id)
    expect(ended.error).toContain('no answer within 5 s')
  })

  it.each([
    ['a body that never ends', 'endless', 'longer than'],
    ['a lie about its length', 'length', 'mid-answer'],
  ])('%s ends it', async (_name, kind, error) => {
    const platform = await start()
    const peer = await workspace((_seen, response) => {
      if (kind === 'length') {
        response.writeHead(200, { 'content-length': '1000' })
        response.write('{')
        setTimeout(() => response.destroy(), 20)
        return
      }
      response.writeHead(200)
      const chunk = 'x'.repeat(1 << 20)
      const pour = (): void => {
        if (!response.destroyed && response.write(chunk)) setImmediate(pour)
        else response.once('drain', pour)
      }
      pour()
    })
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const ended = await caller.until(await caller.delegate(callee.id, 'x'))
    expect(ended.error).toContain(error)
  })

  it('a redirect is not followed', async () => {
    const platform = await start()
    const elsewhere = await workspace()
    const peer = await workspace((_seen, response) => json(response, 302, {}, { location: elsewhere.url }))
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    expect(await caller.until(await caller.delegate(callee.id, 'x'))).toMatchObject({ status: 'failed' })
    expect(elsewhere.seen).toHaveLength(0)
  })
})

describe('tasks behind the proxy', () => {
  it('their caller may ask and cancel, and nobody else may', async () => {
    const platform = await start()
    const peer = await workspace(({ method }, response) => {
      if (method === 'message/send') json(response, 200, task('working', '', 'secret-task'))
      else json(response, 200, task('canceled', 'private text', 'secret-task'))
    })
    const [a, b] = [await enroll(platform.url), await enroll(platform.url)]
    const callee = await enroll(platform.url, { url: peer.url })
    expect((await a.send(callee.id, 'x')).body.result).toMatchObject({ id: 'secret-task' })
    const ask = (who: typeof a, method: string) =>
      who.call(`POST /workspaces/${callee.id}/a2a`, {
        body: { jsonrpc: '2.0', id: 7, method, params: { id: 'secret-task' } },
      })
    for (const method of ['tasks/get', 'tasks/cancel']) {
      expect((await ask(a, method)).body).toMatchObject({ id: 7, result: { status: { state: 'canceled' } } })
      expect((await ask(b, method)).body).toMatchObject({ id: 7, error: { code: -32001 } })
    }
    const intrusions = [{ taskId: 'secret-task' }, { contextId: 'context-of-secret-task' }]
    for (const message of intrusions)
      expect(await b.send(callee.id, 'let me in', message)).toMatchObject({ status: 403 })
    for (const method of ['tasks/list', 'ListTasks', 'message/stream', 'tasks/pushNotificationConfig/set'])
      expect((await ask(a, method)).body.code).toBe('method_unsupported')
    expect(peer.seen).toHaveLength(3)
  })
})

it('a row of the queue is shown to its two sides and to the operator alone', async () => {
  const adminToken = 'operator-operator'
  const platform = await start({ adminToken })
  const enrolled = (rest = {}) => enroll(platform.url, rest, adminToken)
  const [a, b, callee] = [await enrolled(), await enrolled(), await enrolled()]
  await callee.beat({ active_tasks: 1 })
  const { body } = await a.send(callee.id, 'secret')
  const path = `GET /workspaces/${callee.id}/a2a/queue/${body.queue_id}`
  for (const token of [a.token, callee.token, adminToken]) {
    const row = await call(platform.url, path, { token })
    expect(row.status).toBe(200)
    expect(JSON.stringify(row.body)).not.toContain('secret')
    expect(JSON.stringify(row.body)).not.toContain(a.id)
  }
  expect((await b.call(path)).status).toBe(403)
  const unknown = await a.call(`GET /workspaces/${callee.id}/a2a/queue/${randomUUID()}`)
  expect(unknown).toMatchObject({ status: 404, body: { retryable: true } })
})
