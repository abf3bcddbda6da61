import { randomUUID } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canCommunicate } from '../../src/platform/access.js'
import { createPlatform } from '../../src/platform/platform.js'
import { isAllowedAddress, urlProblem } from '../../src/platform/workspace-http.js'
import {
  call,
  enroll,
  json,
  messageBody,
  newFile,
  start,
  task,
  workspace,
  type CallOptions,
} from './scene.js'

const adminToken = 'operator-operator'

describe('registration', () => {
  it('P1: the token is given once, kept only as a hash in a file of 0600, and needed from then on', async () => {
    const path = newFile()
    const platform = await start({ path })
    const one = await enroll(platform.url)
    expect(one.token).toMatch(/^hdp_[\w-]{43}$/)
    const body = { id: one.id, url: 'http://127.0.0.1:9', agent_card: {} }
    const again = await one.call('POST /registry/register', { body })
    expect(again.body).toEqual({ status: 'registered' })
    expect((await call(platform.url, 'POST /registry/register', { body })).body.code).toBe('missing_token')
    const other = await enroll(platform.url)
    const stolen = await call(platform.url, 'POST /registry/register', { body, token: other.token })
    expect(stolen).toMatchObject({ status: 401, body: { code: 'invalid_token' } })
    await platform.close()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path).includes(one.token)).toBe(false)
  })

  it('a token can be changed, and the old one is worth nothing then', async () => {
    const platform = await start()
    const one = await enroll(platform.url)
    const body = { id: one.id, url: 'http://127.0.0.1:9', agent_card: {}, rotate_token: true }
    const { body: changed } = await one.call('POST /registry/register', { body })
    expect((await one.beat()).body.code).toBe('invalid_token')
    const beat = { body: { workspace_id: one.id }, token: changed.auth_token }
    expect((await call(platform.url, 'POST /registry/heartbeat', beat)).status).toBe(200)
  })

  it('with an operator, new workspaces and the hierarchy are his', async () => {
    const platform = await start({ adminToken })
    await expect(enroll(platform.url)).rejects.toThrow('401')
    const root = await enroll(platform.url, {}, adminToken)
    const child = await enroll(platform.url, { parent_id: root.id, can_delegate: false }, adminToken)
    const body = { id: child.id, url: 'http://127.0.0.1:9', agent_card: {} }
    for (const change of [{ parent_id: null }, { tier: 3 }, { can_delegate: true }]) {
      const reply = await child.call('POST /registry/register', { body: { ...body, ...change } })
      expect(reply).toMatchObject({ status: 403, body: { code: 'not_authorized' } })
    }
    expect((await child.call('POST /registry/register', { body })).status).toBe(200)
    const delegate = { body: { target_id: root.id, task: 'x' } }
    const refused = await child.call('POST /workspaces/:id/delegate', delegate)
    expect(refused).toMatchObject({ status: 403, body: { error: 'tool call failed' } })
  })

  it('a parent must be there, and not below', async () => {
    const platform = await start({ adminToken })
    const root = await enroll(platform.url, {}, adminToken)
    const child = await enroll(platform.url, { parent_id: root.id }, adminToken)
    for (const parent_id of [randomUUID(), child.id, root.id])
      await expect(enroll(platform.url, { id: root.id, parent_id }, adminToken)).rejects.toThrow('parent_id')
  })

  it('workspaces are bounded', async () => {
    const platform = await start({ maxWorkspaces: 1 })
    await enroll(platform.url)
    await expect(enroll(platform.url)).rejects.toThrow('503')
  })
})

describe('where a workspace may live', () => {
  const closed = { allowLoopback: false, allowPrivate: false }
  it.each([
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://10.1.2.3/',
    'http://192.168.0.1/',
    'http://169.254.169.254/',
    'http://[fd00::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://0.0.0.0/',
    'http://2130706433/',
    'ftp://example.com/',
    'http://a:b@example.com/',
    'nonsense',
  ])('%s is refused', (url) => {
    expect(urlProblem(url, closed)).not.toBeNull()
  })

  it('own networks and loopback are each opened by their own word, link-local ones by none', () => {
    expect(isAllowedAddress('127.0.0.1', { ...closed, allowLoopback: true })).toBe(true)
    expect(isAllowedAddress('127.0.0.1', { ...closed, allowPrivate: true })).toBe(false)
    expect(isAllowedAddress('10.0.0.1', { ...closed, allowPrivate: true })).toBe(true)
    expect(isAllowedAddress('fd00::1', { ...closed, allowPrivate: true })).toBe(true)
    expect(isAllowedAddress('10.0.0.1', { ...closed, allowLoopback: true })).toBe(false)
    expect(isAllowedAddress('169.254.169.254', { allowLoopback: true, allowPrivate: true })).toBe(false)
    expect(isAllowedAddress('93.184.215.14', closed)).toBe(true)
  })

  it('at registration, by address and by name', async () => {
    const platform = await start({ allowLoopback: false })
    for (const url of ['http://127.0.0.1:9/', 'http://localhost:9/'])
      await expect(enroll(platform.url, { url })).rejects.toThrow('not a public address')
  })

  it('and again when it is connected to: a rule that was tightened holds for who is registered', async () => {
    const path = newFile()
    const peer = await workspace()
    const before = await start({ path })
    const caller = await enroll(before.url)
    const callee = await enroll(before.url, { url: peer.url.replace('127.0.0.1', 'localhost') })
    await before.close()
    const after = await start({ path, allowLoopback: false })
    const sent = await call(after.url, `POST /workspaces/${callee.id}/a2a`, {
      token: caller.token,
      body: messageBody('x'),
    })
    expect(sent.status).toBe(202)
    const row = await call(after.url, `GET /workspaces/${callee.id}/a2a/queue/${sent.body.queue_id}`, {
      token: caller.token,
    })
    expect(JSON.stringify(row.body)).toContain('not a public address')
    expect(peer.seen).toHaveLength(0)
  })
})

describe('P5: who may talk to whom', () => {
  it('the same, siblings, roots, ancestors and descendants; nobody else', async () => {
    const platform = await start()
    const root = await enroll(platform.url, { name: 'root' })
    const other = await enroll(platform.url, { name: 'other' })
    const child = await enroll(platform.url, { name: 'child', parent_id: root.id })
    const twin = await enroll(platform.url, { name: 'twin', parent_id: root.id, role: 'Tester' })
    const grandchild = await enroll(platform.url, { name: 'grandchild', parent_id: child.id })
    const mayTalk = [
      [root, root],
      [root, other],
      [child, twin],
      [root, grandchild],
      [grandchild, child],
    ] as const
    const mayNot = [
      [other, child],
      [grandchild, twin],
      [grandchild, other],
    ] as const
    const asks = async (a: typeof root, b: typeof root): Promise<unknown> => {
      const reply = await a.call('POST /registry/check-access', {
        body: { caller_id: a.id, target_id: b.id },
      })
      return reply.body
    }
    for (const [a, b] of mayTalk)
      for (const body of [await asks(a, b), await asks(b, a)]) expect(body).toEqual({ allowed: true })
    for (const [a, b] of mayNot)
      for (const body of [await asks(a, b), await asks(b, a)]) expect(body).toEqual({ allowed: false })
    const names = async (path: string) =>
      (await child.call(path)).rows.map((row) => (row as unknown as { name: string }).name)
    expect(await names('GET /registry/:id/peers')).toEqual(['grandchild', 'root', 'twin'])
    expect(await names('GET /registry/:id/peers?q=TEST')).toEqual(['twin'])

    const found = await child.call(`GET /registry/discover/${twin.id}`, { from: child.id })
    // B22: the proxy, never an address of its own.
    expect(found.body).toEqual({
      id: twin.id,
      name: 'twin',
      url: `${platform.url}/workspaces/${twin.id}/a2a`,
    })
    const denied = await child.call(`GET /registry/discover/${other.id}`, { from: child.id })
    expect(denied).toMatchObject({
      status: 403,
      body: { error: 'not authorized to discover this workspace' },
    })
    expect((await child.call(`GET /registry/discover/${twin.id}`)).status).toBe(400)
    expect((await child.call(`GET /registry/discover/${twin.id}`, { from: root.id })).status).toBe(401)
    expect((await child.call(`GET /registry/discover/${randomUUID()}`, { from: child.id })).status).toBe(404)
    expect((await other.send(child.id, 'x')).status).toBe(403)
  })

  it('is the same both ways, for any tree', () => {
    const trees = fc.array(fc.integer({ min: -1, max: 11 }), { minLength: 2, maxLength: 12 })
    fc.assert(
      fc.property(trees, fc.nat(11), fc.nat(11), (parents, a, b) => {
        // Each stands below one with a smaller number, or is a root.
        const parentOf = (id: string) => {
          const n = Number(id)
          if (n >= parents.length) return undefined
          const parent = parents[n]!
          return parent >= 0 && parent < n ? String(parent) : null
        }
        const chain = (id: string): string[] => [
          id,
          ...(typeof parentOf(id) === 'string' ? chain(parentOf(id)!) : []),
        ]
        const [x, y] = [String(a), String(b)]
        const isKnown = a < parents.length && b < parents.length
        const isKin = chain(x).includes(y) || chain(y).includes(x) || parentOf(x) === parentOf(y)
        expect(canCommunicate(x, y, parentOf)).toBe(isKnown && isKin)
        expect(canCommunicate(y, x, parentOf)).toBe(isKnown && isKin)
      }),
    )
  })
})

describe('nothing of one workspace is read, or changed, by another', () => {
  it('by any route, with any bearer but its own', async () => {
    const platform = await start()
    const owner = await enroll(platform.url)
    const peer = await enroll(platform.url)
    const stranger = await enroll(platform.url, { parent_id: peer.id })
    const secret = `secret-${randomUUID()}`
    await peer.beat({ active_tasks: 1 })
    const delegation = await owner.delegate(peer.id, secret)
    const queued = await owner.send(peer.id, secret)
    await owner.call('POST /workspaces/:id/activity', {
      body: { activity_type: 'agent_log', summary: secret },
    })
    await owner.beat({ current_task: secret })
    const body = {
      status: 'failed',
      error: 'x',
      task: 'x',
      target_id: peer.id,
      delegation_id: delegation,
      message: 'x',
    }
    const activity = { ...body, activity_type: 'agent_log' }
    const registration = { id: owner.id, url: 'http://127.0.0.1:9', agent_card: {} }
    const routes: [string, CallOptions][] = [
      [`GET /workspaces/${owner.id}/delegations`, {}],
      [`GET /workspaces/${owner.id}/delegations/${delegation}`, {}],
      [`POST /workspaces/${owner.id}/delegations/${delegation}/update`, { body }],
      [`POST /workspaces/${owner.id}/delegations/record`, { body }],
      [`POST /workspaces/${owner.id}/delegate`, { body }],
      [`GET /workspaces/${owner.id}/activity`, {}],
      [`POST /workspaces/${owner.id}/activity`, { body: activity }],
      [`POST /workspaces/${owner.id}/notify`, { body }],
      [`GET /workspaces/${owner.id}/events/stream`, {}],
      [`GET /registry/${owner.id}/peers`, {}],
      [`POST /registry/heartbeat`, { body: { workspace_id: owner.id } }],
      [`POST /registry/update-card`, { body: { workspace_id: owner.id, agent_card: {} } }],
      [`POST /registry/register`, { body: registration }],
      [`POST /workspaces/${peer.id}/a2a`, { body: messageBody('x'), from: owner.id }],
      [`GET /registry/discover/${peer.id}`, { from: owner.id }],
    ]
    const before = await owner.call('GET /workspaces/:id/delegations')
    for (const [route, options] of routes)
      for (const token of [undefined, peer.token, stranger.token, 'hdp_guess', `${owner.token}x`, 'ü']) {
        const reply = await call(platform.url, route, {
          ...options,
          ...(token !== undefined && token !== 'ü' && { token }),
        })
        expect(reply.status, `${route} with ${token}`).toBe(401)
        expect(JSON.stringify(reply.body)).not.toContain(secret)
      }
    for (const route of [
      `GET /workspaces/${owner.id}`,
      `GET /workspaces/${peer.id}/a2a/queue/${queued.body.queue_id}`,
      `GET /registry/${stranger.id}/peers`,
      'GET /workspaces/:id/delegations',
      `GET /workspaces/:id/delegations/${delegation}`,
    ])
      for (const who of [stranger, peer]) {
        const reply = await who.call(route)
        expect(JSON.stringify(reply.body), route).not.toContain(secret)
      }
    expect((await stranger.call(`GET /workspaces/${owner.id}`)).status).toBe(404)
    const unrelated = { caller_id: owner.id, target_id: peer.id }
    expect((await stranger.call('POST /registry/check-access', { body: unrelated })).status).toBe(403)
    expect((await owner.call('GET /workspaces/:id/delegations')).body).toEqual(before.body)
  })

  it('P3: identities of the original inside are nobody here', async () => {
    const platform = await start()
    const [a, b] = [await enroll(platform.url), await enroll(platform.url)]
    for (const from of ['system:x', 'webhook:x', 'test:x', 'channel:x']) {
      const reply = await a.call(`POST /workspaces/${b.id}/a2a`, { body: messageBody('x'), from })
      expect(reply).toMatchObject({ status: 403, body: { error: 'invalid caller ID' } })
    }
    const self = await a.call(`POST /workspaces/${b.id}/a2a`, { body: messageBody('x'), from: b.id })
    expect(self).toMatchObject({ status: 401, body: { error: 'invalid caller auth token' } })
  })
})

describe('bad input is answered clearly, and leaves nothing', () => {
  it.each([
    ['POST /registry/register', {}, 'id'],
    ['POST /registry/register', { id: 'x', url: 'http://127.0.0.1', agent_card: {} }, 'must be a valid UUID'],
    ['POST /registry/register', { id: randomUUID(), url: 'http://127.0.0.1', agent_card: [] }, 'agent_card'],
    ['POST /registry/register', { id: randomUUID(), url: 7, agent_card: {} }, 'url'],
    ['POST /registry/heartbeat', { workspace_id: ':own', active_tasks: -1 }, 'active_tasks'],
    ['POST /registry/heartbeat', { workspace_id: ':own', error_rate: 'high' }, 'error_rate'],
    ['POST /registry/check-access', { caller_id: ':own' }, 'target_id'],
    ['POST /workspaces/:id/delegate', { target_id: 'x', task: 'y' }, 'target_id: must be a valid UUID'],
    ['POST /workspaces/:id/delegate', { target_id: ':own', task: '' }, 'task'],
    ['POST /workspaces/:id/delegate', { target_id: ':own', task: { a: 1 } }, 'task'],
    ['POST /workspaces/:id/delegations/record', { target_id: ':own', task: 'x' }, 'delegation_id'],
    [
      'POST /workspaces/:id/delegations/x/update',
      { status: 'running' },
      'expected one of queued, completed, failed',
    ],
    ['POST /workspaces/:id/activity', { activity_type: 'gossip' }, 'expected one of a2a_send'],
    ['POST /workspaces/:id/activity', { activity_type: 'error', duration_ms: -1 }, 'duration_ms'],
    ['POST /workspaces/:id/notify', {}, 'message is required'],
    ['POST /workspaces/:id/notify', { message: 'x', attachments: [{ uri: 1 }] }, 'attachments'],
    ['POST /workspaces/:id/a2a', [], 'JSON-RPC object'],
    [
      'POST /workspaces/:id/a2a',
      { jsonrpc: '2.0', method: 'message/send', params: { message: { parts: 1 } } },
      'parts',
    ],
    ['POST /workspaces/:id/a2a', { jsonrpc: '2.0', method: 'x' }, 'none that the platform passes on'],
    ['GET /workspaces/:id/activity?source=x', undefined, 'canvas, agent'],
    ['GET /workspaces/:id/delegations?limit=many', undefined, 'limit'],
  ])('%s %j', async (route, given, problem) => {
    const platform = await start()
    const own = await enroll(platform.url)
    const body: unknown = given && JSON.parse(JSON.stringify(given).replaceAll(':own', own.id))
    const reply = await own.call(route, body === undefined ? {} : { body })
    expect(reply.status).toBe(400)
    expect(reply.body.error).toContain(problem)
    expect(reply.body.code).toMatch(/^[a-z_]+$/)
    expect((await own.call('GET /workspaces/:id/delegations')).body).toEqual([])
    expect((await own.call('GET /workspaces/:id/activity')).body).toEqual([])
  })

  it('no JSON, too much of it, a method and a route that there are not', async () => {
    const platform = await start()
    const own = await enroll(platform.url)
    expect((await own.call('POST /workspaces/:id/notify', { body: '{' })).body.code).toBe('invalid_json')
    const big = await own.call('POST /workspaces/:id/notify', { body: { message: 'x'.repeat(3 << 20) } })
    expect(big).toMatchObject({ status: 413, body: { code: 'too_large', limit: 1_048_576 } })
    expect(await own.call('GET /workspaces/:id/notify')).toMatchObject({
      status: 405,
      body: { code: 'method_not_allowed' },
    })
    for (const path of [
      'GET /',
      'GET /workspaces/%ff',
      'GET /workspaces//delegations',
      'GET /registry/a/b/c',
    ])
      expect(await own.call(path)).toMatchObject({ status: 404, body: { code: 'not_found' } })
    // A path that fetch would not send.
    const raw = await new Promise<number | undefined>((resolve) =>
      request(platform.url, { path: '//[/', method: 'GET' }, (response) =>
        resolve(response.statusCode),
      ).end(),
    )
    expect(raw).toBe(400)
  })

  it('any JSON at any route is answered, with a code where it is refused', async () => {
    const platform = await start({ onFault: () => expect.unreachable() })
    const own = await enroll(platform.url)
    const routes = [
      'registry/register',
      'registry/heartbeat',
      'registry/update-card',
      'registry/check-access',
      'workspaces/:id/delegate',
      'workspaces/:id/delegations/record',
      'workspaces/:id/delegations/x/update',
      'workspaces/:id/activity',
      'workspaces/:id/notify',
      'workspaces/:id/a2a',
    ]
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), fc.jsonValue(), async (route, body) => {
        const reply = await own.call(`POST /${route}`, { body: JSON.stringify(body) })
        expect(reply.status).toBe(400)
        expect(reply.body.code).toMatch(/^[a-z_]+$/)
      }),
      { numRuns: 200 },
    )
  })
})

describe('activity and events', () => {
  it('what is reported comes back whole, filtered and in pages', async () => {
    const platform = await start()
    const [own, other] = [await enroll(platform.url), await enroll(platform.url)]
    const long = 'r'.repeat(200_000)
    const row = {
      activity_type: 'a2a_send',
      source_id: own.id,
      target_id: other.id,
      response_body: { result: long },
    }
    await own.call('POST /workspaces/:id/activity', { body: row })
    await own.call('POST /workspaces/:id/activity', { body: { activity_type: 'agent_log', summary: 'two' } })
    // B13: the end of a delegation has no message of its own.
    const end = {
      type: 'delegation_complete',
      task_id: 't',
      target_workspace_id: other.id,
      status: 'completed',
    }
    expect((await own.call('POST /workspaces/:id/notify', { body: end })).body).toEqual({ status: 'sent' })
    const all = await own.call('GET /workspaces/:id/activity')
    expect(all.rows).toHaveLength(3)
    expect(all.rows[2]!.response_body).toEqual({ result: long })
    expect((await own.call('GET /workspaces/:id/activity?source=agent')).rows).toHaveLength(1)
    expect((await own.call('GET /workspaces/:id/activity?source=canvas&type=agent_log')).rows).toHaveLength(1)
    const page = await own.call(`GET /workspaces/:id/activity?limit=2&before=${all.rows[0]!.n}`)
    expect(page.rows.map(({ n }) => n)).toEqual(all.rows.slice(1).map(({ n }) => n))
    const foreign = await own.call('POST /workspaces/:id/activity', { body: { ...row, source_id: other.id } })
    expect(foreign).toMatchObject({ status: 403 })
  })

  it('B14, K3: listeners hear each step of a delegation, with its target', async () => {
    const platform = await start()
    const peer = await workspace()
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url })
    const stop = new AbortController()
    const stream = await fetch(`${platform.url}/workspaces/${caller.id}/events/stream`, {
      headers: { authorization: `Bearer ${caller.token}` },
      signal: stop.signal,
    })
    const id = await caller.delegate(callee.id, 'x')
    const told = await eventsUntil(stream, 'DELEGATION_COMPLETE')
    stop.abort()
    expect(told.map(({ event }) => event)).toEqual([
      'DELEGATION_SENT',
      'DELEGATION_STATUS',
      'DELEGATION_COMPLETE',
    ])
    for (const { payload, workspace_id } of told) {
      expect(payload).toMatchObject({ delegation_id: id, target_id: callee.id })
      expect(workspace_id).toBe(caller.id)
    }
  })

  it('B19: a panel has one row for a delegation, with its direction and cause, and its events fit that row', async () => {
    const platform = await start()
    const peer = await workspace((_seen, response) => json(response, 200, task('failed', 'no such table')))
    const caller = await enroll(platform.url)
    const callee = await enroll(platform.url, { url: peer.url, max_concurrent_tasks: 3 })
    const stop = new AbortController()
    const stream = await fetch(`${platform.url}/workspaces/${caller.id}/events/stream`, {
      headers: { authorization: `Bearer ${caller.token}` },
      signal: stop.signal,
    })
    const ids = [await caller.delegate(callee.id, 'same'), await caller.delegate(callee.id, 'same')]
    const told = await eventsUntil(stream, 'DELEGATION_FAILED', 2)
    stop.abort()
    // Every event names its delegation, so that the last one of each is how its row stands; no time is a key.
    const shown = new Map(told.map(({ event, payload }) => [payload['delegation_id'], { event, payload }]))
    for (const [member, direction] of [
      [caller, 'sent'],
      [callee, 'received'],
    ] as const) {
      const { rows } = await member.call('GET /workspaces/:id/delegations')
      expect(rows.map(({ delegation_id }) => delegation_id).sort()).toEqual([...ids].sort())
      for (const row of rows) {
        expect(row).toMatchObject({ direction, status: 'failed', error: 'no such table' })
        const last = shown.get(row.delegation_id)
        expect(last).toMatchObject({ event: 'DELEGATION_FAILED', payload: { error: row.error } })
      }
    }
  })
})

interface Told {
  readonly event: string
  readonly workspace_id: string
  readonly payload: Readonly<Record<string, unknown>>
}

/** What is told until the last of so many events. */
async function eventsUntil({ body }: Response, last: string, count = 1): Promise<Told[]> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    if (text.split(`event: ${last}`).length > count && text.endsWith('\n\n')) break
  }
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as Told)
}

it('can be mounted: a handler of requests, closed once', async () => {
  const platform = await createPlatform({ path: newFile(), publicUrl: 'http://gateway' })
  const answer = await platform.fetch(new Request('http://gateway/registry/nothing'))
  expect(answer.status).toBe(404)
  await Promise.all([platform.close(), platform.close()])
  const closed = await platform.fetch(new Request('http://gateway/registry/nothing'))
  expect(closed.status).toBe(503)
  expect(closed.headers.get('retry-after')).toBe('5')
})

it('options out of range, and a door that is open to others, are refused', async () => {
  for (const [options, word] of [
    [{ sweepMs: 0 }, '`sweepMs`'],
    [{ adminToken: 'short' }, '`adminToken`'],
    [{ publicUrl: 'ftp://x' }, '`publicUrl`'],
    [{ path: '' }, '`path`'],
    [{ host: '0.0.0.0' }, '`adminToken`'],
  ] as const)
    await expect(start({ ...options })).rejects.toThrow(word)
})
