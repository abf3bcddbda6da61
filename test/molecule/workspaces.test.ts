/** Several workspaces of ours, what is known of peers, and what the platform is told of who works on what. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DelegationError } from '../../src/index.js'
import { createMolecule, type Molecule } from '../../src/molecule/molecule.js'
import { createMirrors } from '../../src/molecule/mirrors.js'
import { createRecords } from '../../src/molecule/records.js'
import { readSettings } from '../../src/molecule/settings.js'
import {
  moleculeAt,
  own,
  peer,
  says,
  sendJson,
  stands,
  startPlatform,
  type SmallPlatform,
} from './small-platform.js'

const second = '44444444-4444-4444-8444-444444444444'
const proxy = `POST /workspaces/${peer}/a2a`
let platform: SmallPlatform
let molecule: Molecule

beforeEach(async () => {
  platform = await startPlatform()
  molecule = moleculeAt(platform.url, {
    workspaces: [{ id: own }, { id: second, tokenEnv: 'SECOND' }],
    env: { WORKSPACE_AUTH_TOKEN: 'token-of-own', SECOND: 'token-of-second' },
  })
})
afterEach(async () => {
  await molecule.close()
  await platform.close()
})

describe('source workspaces (M70)', () => {
  it('the one that listed a peer sends to it, with its own name and bearer', async () => {
    platform.on(`GET /registry/${own}/peers`, [])
    platform.on(`GET /registry/${second}/peers`, [{ id: peer, name: 'Analyst', status: 'online' }])
    expect(await molecule.listPeers()).toEqual([
      { id: peer, name: 'Analyst', status: 'online', workspace_id: peer, source_workspace_id: second },
    ])
    expect(molecule.nameOf(peer)).toBe('Analyst')
    platform.on(proxy, says('hi'))
    await molecule.delegate(peer, 'x')
    for (const { headers } of platform.to(proxy))
      expect(headers).toMatchObject({ 'x-workspace-id': second, authorization: 'Bearer token-of-second' })
  })

  it('a given one must be ours; without any it is the first', async () => {
    platform.on(proxy, says('hi'))
    await molecule.delegate(peer, 'x')
    await molecule.delegate(peer, 'x', { source: second })
    expect(platform.to(proxy).map(({ headers }) => headers['x-workspace-id'])).toEqual([own, second])
    expect(molecule.delegateAsync(peer, 'x', { source: peer })).toMatchObject({ success: false })
  })

  it('self-delegation is of the source that sends', () => {
    expect(molecule.delegateAsync(second, 'x', { source: second })).toMatchObject({ success: false })
    expect(molecule.delegateAsync(second, 'x')).toMatchObject({ success: true })
  })

  it('peers of one workspace are listed though another cannot be asked; of none, it says why', async () => {
    platform.on(`GET /registry/${own}/peers`, [{ id: peer }])
    expect(await molecule.listPeers()).toHaveLength(1)
    platform.on(`GET /registry/${own}/peers`, (_seen, response) => sendJson(response, 401, {}))
    await expect(molecule.listPeers()).rejects.toThrow('the list of peers cannot be had: HTTP 401')
  })
})

describe('activity reports (M54, M55)', () => {
  const activity = `POST /workspaces/${own}/activity`

  it('before and after, with the full answer, and what is worked on', async () => {
    const answer = 'r'.repeat(9_000)
    platform.on(proxy, says(answer))
    await molecule.delegate(peer, 'the task')
    await molecule.flushed()
    const [before, after] = platform.to(activity).map(({ body }) => body)
    const common = {
      source_id: own,
      target_id: peer,
      method: 'message/send',
      request_body: { task: 'the task' },
    }
    expect(before).toEqual({
      ...common,
      activity_type: 'a2a_send',
      summary: 'Delegating to 22222222',
      status: 'ok',
    })
    expect(after).toEqual({
      ...common,
      activity_type: 'a2a_receive',
      summary: 'Researcher responded (9000 chars)',
      status: 'ok',
      response_body: { result: answer },
    })
    // What it waits for is work of its own; afterwards the platform may give it work again.
    expect(platform.to('POST /registry/heartbeat').map(({ body }) => body)).toEqual([
      { workspace_id: own, current_task: 'Delegating to 22222222', active_tasks: 1 },
      { workspace_id: own, current_task: 'Researcher responded (9000 chars)', active_tasks: 0 },
    ])
    // Who waits has no record on the platform unless the peer queues it.
    expect(platform.to(`POST /workspaces/${own}/delegations`)).toEqual([])
  })

  it('a failure has its detail without the sentinel, and bounded', async () => {
    const message = `[A2A_ERROR]  ${'e'.repeat(6_000)}`
    platform.on(proxy, { error: { message } })
    expect((await molecule.delegate(peer, 'x')).text).toBe(`[A2A_ERROR] ${message}`)
    await molecule.flushed()
    const [, after] = platform.to(activity).map(({ body }) => body)
    expect(after).toMatchObject({
      activity_type: 'a2a_receive',
      status: 'error',
      error_detail: 'e'.repeat(4096),
    })
    expect(after?.summary).toMatch(/^Researcher failed: \[A2A_ERROR\] {2}e+$/)
    expect(after?.summary).toHaveLength('Researcher failed: '.length + 120)
  })
})

describe('mirrors', () => {
  it('those that wait are bounded, and what is dropped is counted', async () => {
    let isOpen: (() => void) | null = null
    const gate = new Promise<void>((resolve) => (isOpen = resolve))
    const lost: string[] = []
    const mirrors = createMirrors(
      async () => {
        await gate
        return { kind: 'answer', status: 200, retryAfter: null, json: {}, text: '' }
      },
      (path) => lost.push(path),
    )
    for (let n = 0; n < 1_200; n += 1) mirrors.record(own, peer, 'x', `${n}`)
    expect([lost.length, mirrors.lost]).toEqual([200, 200])
    isOpen!()
    await mirrors.flushed()
    expect(mirrors.lost).toBe(200)
  })
})

describe('the history (M5, M11)', () => {
  it('holds 100; only what has ended goes, the oldest first, and never more than is over', () => {
    const records = createRecords(() => 1)
    const add = (id: string) =>
      records.add({ task_id: id, workspace_id: peer, source_workspace_id: own, task: 'x' })
    const end = (id: string) =>
      records.apply(id, {
        type: 'ended',
        outcome: { kind: 'completed', text: id, isPreview: false, attempts: 1 },
      })
    for (let n = 0; n < 101; n += 1) add(`${n}`)
    expect(records.all()).toHaveLength(101)
    end('7')
    add('101')
    expect(records.all()).toHaveLength(101)
    expect(records.get('7')).toBeNull()
    for (const id of ['3', '1', '2']) end(id)
    add('102')
    expect(
      records
        .all()
        .map(({ task_id }) => task_id)
        .slice(0, 3),
    ).toEqual(['0', '3', '4'])
    expect(records.all()).toHaveLength(100)
  })

  it('the first end counts, and nothing leaves it', () => {
    const records = createRecords(() => 1)
    records.add({ task_id: 'a', workspace_id: peer, source_workspace_id: own, task: 'x' })
    const failed = { kind: 'failed', error: 'no', reason: 'timeout', attempts: 1 } as const
    expect(records.apply('a', { type: 'ended', outcome: failed })).toBe(true)
    expect(records.apply('a', { type: 'started' })).toBe(false)
    expect(
      records.apply('a', {
        type: 'ended',
        outcome: { kind: 'completed', text: '', isPreview: false, attempts: 1 },
      }),
    ).toBe(false)
    expect(records.get('a')).toMatchObject({ status: 'failed', error: 'no', result: null })
  })
})

describe('settings (M1, M2)', () => {
  it('come from the environment, with the defaults of the original', () => {
    expect(readSettings({}, { WORKSPACE_ID: own, PLATFORM_URL: 'http://platform:9000/' })).toEqual({
      platformUrl: 'http://platform:9000',
      workspaces: [{ id: own, tokenEnv: 'WORKSPACE_AUTH_TOKEN' }],
      retryAttempts: 3,
      retryDelayMs: 5_000,
      timeoutMs: 300_000,
      pollMs: 3_000,
      syncViaPlatform: false,
    })
    const env = {
      WORKSPACE_ID: own,
      DOCKER_VERSION: '27',
      DELEGATION_RETRY_ATTEMPTS: '5',
      DELEGATION_RETRY_DELAY: '0.5',
      DELEGATION_TIMEOUT: '60',
      DELEGATION_SYNC_VIA_INBOX: '1',
    }
    expect(readSettings({}, env)).toMatchObject({
      platformUrl: 'http://host.docker.internal:8080',
      retryAttempts: 5,
      retryDelayMs: 500,
      timeoutMs: 60_000,
      syncViaPlatform: true,
    })
    expect(readSettings({}, { ...env, DELEGATION_SYNC_VIA_INBOX: 'true' })).toMatchObject({
      syncViaPlatform: false,
    })
  })

  it('what cannot be used is named, with what was given', () => {
    const make = () =>
      createMolecule({ platformUrl: 'ftp://x', retryAttempts: 1.5, env: { DELEGATION_TIMEOUT: 'long' } })
    expect(make).toThrow(DelegationError)
    expect(make).toThrow(
      /ftp:\/\/x.*\n.*own workspace.*\n.*retryAttempts.*1\.5.*\n.*DELEGATION_TIMEOUT.*got long/,
    )
  })

  it('DELEGATION_SYNC_VIA_INBOX has the platform send what is waited for', async () => {
    platform.on(`POST /workspaces/${own}/delegate`, (_seen, response) =>
      sendJson(response, 202, { delegation_id: 'd1' }),
    )
    platform.on(`GET /workspaces/${own}/delegations/d1`, { status: 'completed', result: 'polled' })
    const env = { DELEGATION_SYNC_VIA_INBOX: '1' }
    const synced = moleculeAt(platform.url, { env })
    expect(await synced.delegate(peer, 'x')).toMatchObject({ ok: true, text: 'polled' })
    await synced.close()
  })
})

it('three hundred delegations at once are accepted before anything is sent, and each ends by itself', async () => {
  platform.on('POST /peer', (seen, response) =>
    sendJson(response, 200, says(seen.body.params.message.parts[0]!.text)),
  )
  const accepted = Array.from({ length: 300 }, (_, n) => molecule.delegateAsync(peer, `task ${n}`))
  expect(platform.seen).toEqual([])
  await Promise.all(
    accepted.slice(-90).map(async (one, n) => {
      const record = await stands(molecule, one.success ? one.task_id : '', 'completed')
      expect(record.result).toBe(`task ${n + 210}`)
    }),
  )
})
