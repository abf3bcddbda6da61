/** The original's own tests of a delegation, by name, against a real platform and a real peer. */
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Accepted, Molecule, MoleculeOptions } from '../../src/molecule/molecule.js'
import {
  closedUrl,
  moleculeAt,
  own,
  peer,
  says,
  sendJson,
  stands,
  startPlatform,
  type SmallPlatform,
} from './small-platform.js'

let platform: SmallPlatform
let molecule: Molecule
const ended: string[] = []

function open(options: MoleculeOptions = {}): Molecule {
  molecule = moleculeAt(platform.url, { onEnded: ({ status }) => ended.push(status), ...options })
  return molecule
}

function idOf(accepted: Accepted): string {
  if (!accepted.success) throw new Error(accepted.error)
  return accepted.task_id
}

const start = (task = 'count the rows', options: MoleculeOptions = {}): string =>
  idOf(open(options).delegateAsync(peer, task))

beforeEach(async () => {
  platform = await startPlatform()
  ended.length = 0
})
afterEach(async () => {
  await molecule.close()
  await platform.close()
})

describe('accept', () => {
  it('denial: no task id, nothing stored, nothing sent (M9)', async () => {
    const denied = open({ rbac: { roles: ['read-only'] } }).delegateAsync(peer, 'x')
    expect(denied).toEqual({
      success: false,
      error: "RBAC: permission 'delegate' is missing (roles: read-only)",
    })
    expect(await molecule.checkTaskStatus()).toEqual({ delegations: [], count: 0 })
    expect(platform.seen).toEqual([])
  })

  it('immediate return: the answer is there before anything touches the network (M7, M8)', async () => {
    const accepted = open().delegateAsync(peer, 'x')
    expect(platform.seen).toEqual([])
    expect(accepted).toMatchObject({ success: true, status: 'delegated' })
    const id = idOf(accepted)
    expect(accepted.success && accepted.message).toContain(`check_task_status('${id}')`)
    expect(molecule.get(id)?.status).toMatch(/pending|in_progress/)
  })

  it('self-delegation is refused before any request (M10, M51)', async () => {
    const refused = open().delegateAsync(own, 'x')
    expect(refused).toMatchObject({ success: false })
    expect(!refused.success && refused.error).toMatch(/self-delegation.*your own workspace/)
    expect((await molecule.delegate(own, 'x')).text).toMatch(/^\[A2A_ERROR\] self-delegation/)
    expect(platform.seen).toEqual([])
  })

  it('empty values are refused (M50)', async () => {
    expect(open().delegateAsync(peer, '')).toMatchObject({ success: false })
    expect((await molecule.delegate('', 'x')).text).toContain('workspace_id and task are required')
  })
})

describe('completion', () => {
  it('completion: discovered, sent once, and kept in full (M15, M20, M26)', async () => {
    platform.on('POST /peer', says('4,217 rows'))
    const id = start()
    await stands(molecule, id, 'completed')
    expect(await molecule.checkTaskStatus(id)).toMatchObject({
      task_id: id,
      workspace_id: peer,
      status: 'completed',
      task: 'count the rows',
      result: '4,217 rows',
    })
    const [discovery] = platform.to('GET /registry/discover')
    expect(discovery?.headers).toMatchObject({ 'x-workspace-id': own, authorization: 'Bearer token-of-own' })
    const [sent, ...more] = platform.to('POST /peer')
    expect(more).toEqual([])
    expect(sent?.headers['x-workspace-id']).toBe(own)
    expect(sent?.body).toEqual({
      jsonrpc: '2.0',
      id: `delegation-${id}`,
      method: 'message/send',
      params: {
        message: {
          kind: 'message',
          role: 'user',
          parts: [{ kind: 'text', text: 'count the rows' }],
          messageId: `msg-${id}`,
          metadata: { delegation_id: id },
        },
        metadata: { parent_task_id: id, source_workspace_id: own },
      },
    })
    expect(ended).toEqual(['completed'])
  })

  it('text from parts and artifacts: artifacts first, each on a line (M31)', async () => {
    const text = (said: string) => ({ kind: 'text', text: said })
    platform.on('POST /peer', {
      result: {
        artifacts: [{ parts: [text('A1')] }, { parts: [text('A2'), { kind: 'data', data: { a: 1 } }] }],
        parts: [text('P1')],
      },
    })
    const id = start()
    expect(await stands(molecule, id, 'completed')).toMatchObject({ result: 'A1\nA2\nP1' })
  })

  it('list: in order, with a preview of what completed and the error of what failed (M37)', async () => {
    platform.on('POST /peer', says('y'.repeat(450)))
    const long = 'z'.repeat(300)
    const first = start(long)
    await stands(molecule, first, 'completed')
    const second = idOf(molecule.delegateAsync('33333333-3333-4333-8333-333333333333', 'other'))
    await stands(molecule, second, 'failed')
    const { delegations, count } = (await molecule.checkTaskStatus()) as {
      delegations: object[]
      count: number
    }
    expect(count).toBe(2)
    const at = expect.any(Number) as number
    expect(delegations).toEqual([
      {
        task_id: first,
        workspace_id: peer,
        status: 'completed',
        task: 'z'.repeat(200),
        result_preview: 'y'.repeat(200),
        created_at: at,
      },
      {
        task_id: second,
        workspace_id: '33333333-3333-4333-8333-333333333333',
        status: 'failed',
        task: 'other',
        error: 'Discovery failed: HTTP 404',
        created_at: at,
      },
    ])
    expect(platform.to('POST /peer')[0]?.body.params.message.parts[0]?.text).toBe(long)
  })

  it('not found: an id that nobody knows (M38)', async () => {
    expect(await open().checkTaskStatus('nope')).toEqual({ error: 'No delegation found with task_id nope' })
  })
})

describe('discovery', () => {
  it.each([403, 404])('discovery %i fails the delegation, and nothing is sent (M16)', async (status) => {
    platform.on(`GET /registry/discover/${peer}`, (_seen: unknown, response: ServerResponse) =>
      sendJson(response, status, {}),
    )
    const id = start()
    expect(await stands(molecule, id, 'failed')).toMatchObject({ error: `Discovery failed: HTTP ${status}` })
    expect(platform.to('POST /peer')).toEqual([])
  })

  it('discovery without a URL (M17)', async () => {
    platform.on(`GET /registry/discover/${peer}`, { id: peer, url: '' })
    expect(await stands(open(), idOf(molecule.delegateAsync(peer, 'x')), 'failed')).toMatchObject({
      error: 'No URL for workspace',
    })
  })

  it('discovery exception: no JSON, a reset, nobody there (M18)', async () => {
    platform.on(`GET /registry/discover/${peer}`, (_seen: unknown, response: ServerResponse) =>
      response.end('<html>'),
    )
    expect((await stands(open(), idOf(molecule.delegateAsync(peer, 'x')), 'failed')).error).toMatch(
      /^Discovery error: /,
    )
    platform.on(`GET /registry/discover/${peer}`, (_seen: unknown, response: ServerResponse) =>
      response.destroy(),
    )
    expect((await stands(molecule, idOf(molecule.delegateAsync(peer, 'x')), 'failed')).error).toMatch(
      /^Discovery error: /,
    )
    const nobody = moleculeAt(await closedUrl())
    expect((await stands(nobody, idOf(nobody.delegateAsync(peer, 'x')), 'failed')).error).toMatch(
      /^Discovery error: .*ECONNREFUSED/,
    )
    await nobody.close()
  })

  it('discovery of a workspace that is offline (M52)', async () => {
    platform.on(`GET /registry/discover/${peer}`, {
      id: peer,
      url: `${platform.url}/peer`,
      status: 'Offline',
    })
    expect((await open().delegate(peer, 'x')).text).toBe('[A2A_ERROR] workspace is offline')
    expect(platform.to('POST')).not.toContainEqual(
      expect.objectContaining({ path: `/workspaces/${peer}/a2a` }),
    )
  })
})

describe('queued', () => {
  const ack = { queued: true, queue_id: 'q1', queue_depth: 2, message: 'busy' }

  it('202 and queued is queued: exactly one A2A POST, and no error (M23)', async () => {
    platform.on('POST /peer', (_seen: unknown, response: ServerResponse) => sendJson(response, 202, ack))
    const id = start()
    await stands(molecule, id, 'queued')
    const status = await molecule.checkTaskStatus(id)
    expect(status).toMatchObject({ task_id: id, status: 'queued' })
    expect(status).not.toHaveProperty('error')
    expect(status).not.toHaveProperty('result')
    await molecule.flushed()
    expect(platform.to('POST /peer')).toHaveLength(1)
    expect(platform.to(`POST /workspaces/${own}/notify`).map(({ body }) => body.status)).toEqual(['queued'])
    expect(platform.to(`POST /workspaces/${own}/delegations/${id}/update`)[0]?.body).toEqual({
      status: 'queued',
      error: '',
      response_preview: '',
    })
    expect(ended).toEqual([])
  })

  it('a bare 202 is not queued and ends failed, after one POST (M24)', async () => {
    for (const body of [{}, { queued: 'true' }, { queued: 1 }, []]) {
      platform.on('POST /peer', (_seen: unknown, response: ServerResponse) => sendJson(response, 202, body))
      expect((await stands(open(), idOf(molecule.delegateAsync(peer, 'x')), 'failed')).error).toMatch(
        /^HTTP 202/,
      )
    }
    expect(platform.to('POST /peer')).toHaveLength(4)
  })

  it('lazy refresh: a look by id finds the end, and only that look asks the platform (M41-M44)', async () => {
    platform.on('POST /peer', (_seen: unknown, response: ServerResponse) => sendJson(response, 202, ack))
    const id = start()
    await stands(molecule, id, 'queued')
    const rows = (...words: string[]) =>
      words.map((status, index) => ({
        id: `${index}`,
        type: 'delegation',
        delegation_id: id,
        source_id: own,
        status,
        response_preview: 'late answer',
        error: 'late error',
      }))
    await molecule.checkTaskStatus()
    expect(platform.to(`GET /workspaces/${own}/delegations`)).toEqual([])
    platform.on(`GET /workspaces/${own}/delegations`, (_seen: unknown, response: ServerResponse) =>
      sendJson(response, 500, {}),
    )
    expect(await molecule.checkTaskStatus(id)).toMatchObject({ status: 'queued' })
    platform.on(`GET /workspaces/${own}/delegations`, [
      { ...rows('completed')[0], delegation_id: 'other' },
      ...rows('queued'),
    ])
    expect(await molecule.checkTaskStatus(id)).toMatchObject({ status: 'queued' })
    platform.on(`GET /workspaces/${own}/delegations`, rows('queued', 'completed', 'failed'))
    const looks = await Promise.all([molecule.checkTaskStatus(id), molecule.checkTaskStatus(id)])
    for (const look of looks) expect(look).toMatchObject({ status: 'completed', result: 'late answer' })
    expect(ended).toEqual(['completed'])
    const before = platform.to('GET').length
    await molecule.checkTaskStatus(id)
    expect(platform.to('GET')).toHaveLength(before)
    await molecule.flushed()
    expect(platform.to(`POST /workspaces/${own}/notify`).map(({ body }) => body.status)).toEqual([
      'queued',
      'completed',
    ])
  })
})

describe('failure', () => {
  it('RPC error: its message, and no second POST (M27, M59)', async () => {
    platform.on('POST /peer', { jsonrpc: '2.0', error: { code: -32603, message: 'model is down' } })
    expect(await stands(open(), idOf(molecule.delegateAsync(peer, 'x')), 'failed')).toMatchObject({
      error: 'model is down (code=-32603)',
    })
    expect(platform.to('POST /peer')).toHaveLength(1)
  })

  it('network error: refused connections are tried again, and the error says which', async () => {
    platform.on(`GET /registry/discover/${peer}`, { id: peer, url: await closedUrl() })
    const record = await stands(open(), idOf(molecule.delegateAsync(peer, 'x')), 'failed')
    expect(record.error).toContain('ECONNREFUSED')
    expect(record.attempts).toBe(3)
    expect(platform.to('GET /registry/discover')).toHaveLength(3)
  })
})

describe('mirrors', () => {
  it('record mirror: three keys, the full task, with the bearer (M33)', async () => {
    platform.on('POST /peer', says('ok'))
    const task = 't'.repeat(900)
    const id = start(task)
    const [record] = await platform.came(`POST /workspaces/${own}/delegations/record`)
    expect(record?.body).toEqual({ target_id: peer, task, delegation_id: id })
    expect(record?.headers.authorization).toBe('Bearer token-of-own')
  })

  it('update mirror: all three keys, after the record, and with the error of a failure (M34)', async () => {
    platform.on('POST /peer', { error: { message: 'no' } })
    const id = start()
    const [update] = await platform.came(`POST /workspaces/${own}/delegations/${id}/update`)
    expect(update?.body).toEqual({ status: 'failed', error: 'no', response_preview: '' })
    const paths = platform
      .to(`POST /workspaces/${own}`)
      .map(({ path }) => path.replace(`/workspaces/${own}/`, ''))
    expect(paths).toEqual(['delegations/record', 'notify', `delegations/${id}/update`])
  })

  it('the 500-character preview is of the mirror alone', async () => {
    const answer = 'a'.repeat(5000)
    platform.on('POST /peer', says(answer))
    const id = start()
    const [update] = await platform.came(`POST /workspaces/${own}/delegations/${id}/update`)
    expect(update?.body).toEqual({ status: 'completed', error: '', response_preview: 'a'.repeat(500) })
    expect(await molecule.checkTaskStatus(id)).toMatchObject({ result: answer })
  })

  it.each([401, 500, 429])(
    'mirrors that fail change nothing but a count: a platform that answers %i',
    async (status) => {
      platform.on('POST /peer', says('fine'))
      platform.on(`POST /workspaces/${own}`, (_seen: unknown, response: ServerResponse) =>
        sendJson(response, status, {}),
      )
      const id = start()
      expect(await stands(molecule, id, 'completed')).toMatchObject({ result: 'fine' })
      await molecule.flushed()
      expect(molecule.lostMirrors).toBe(3)
    },
  )

  it('mirrors that are never answered delay no result', async () => {
    platform.on('POST /peer', says('fine'))
    platform.on(`POST /workspaces/${peer}/a2a`, says('fine'))
    platform.on(`POST /workspaces/${own}`, () => undefined)
    const id = start()
    expect(await stands(molecule, id, 'completed')).toMatchObject({ result: 'fine' })
    // Nor those that come after it: the first mirror still stands.
    expect(await molecule.delegate(peer, 'y')).toMatchObject({ text: 'fine' })
    for (const task of ['a', 'b', 'c'])
      await stands(molecule, idOf(molecule.delegateAsync(peer, task)), 'completed')
    expect(platform.to(`POST /workspaces/${own}`)).toHaveLength(1)
    // What waits is given up: here by the end of the connections.
    await platform.close()
    platform = await startPlatform()
  })
})
