import { describe, expect, it } from 'vitest'
import { incomingOf } from '../../src/platform/incoming.js'
import { enroll, eventually, json, start, task, workspace } from './scene.js'

/** Every way in which a message names the task or the conversation that it goes on with. */
const links = [
  { taskId: 'secret' },
  { task_id: 'secret' },
  { contextId: 'context-of-secret' },
  { context_id: 'context-of-secret' },
  { referenceTaskIds: ['secret'] },
  { reference_task_ids: ['secret'] },
] as const

async function scene(options = {}) {
  const platform = await start(options)
  const peer = await workspace((_seen, response) => json(response, 200, task('completed', 'ok', 'secret')))
  const [owner, stranger] = [await enroll(platform.url), await enroll(platform.url)]
  const callee = await enroll(platform.url, { url: peer.url })
  expect((await owner.send(callee.id, 'begin')).status).toBe(200)
  return { peer, owner, stranger, callee }
}

describe('who goes on with a task', () => {
  it.each(links)('%j: its caller, and nobody else', async (link) => {
    const { peer, owner, stranger, callee } = await scene()
    const foreign = await stranger.send(callee.id, 'let me in', link)
    expect(foreign).toMatchObject({ status: 403, body: { code: 'not_authorized' } })
    expect(peer.seen).toHaveLength(1)
    expect((await owner.send(callee.id, 'go on', link)).status).toBe(200)
    expect(peer.seen).toHaveLength(2)
  })

  it('what nobody has begun, or the file has forgotten, is refused too', async () => {
    const { peer, owner, stranger, callee } = await scene({ retentionMs: 1, sweepMs: 10 })
    const look = { body: { jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { id: 'secret' } } }
    const isForgotten = async () =>
      JSON.stringify((await owner.call(`POST /workspaces/${callee.id}/a2a`, look)).body).includes('-32001')
    await eventually(async () => ((await isForgotten()) ? true : undefined))
    expect((await owner.send(callee.id, 'go on', { taskId: 'secret' })).status).toBe(403)
    const before = peer.seen.length
    for (const link of [...links, { contextId: 'of my own' }])
      expect((await stranger.send(callee.id, 'let me in', link)).status).toBe(403)
    expect(peer.seen).toHaveLength(before)
  })

  it.each([{ taskId: ['secret'] }, { task_id: 7 }, { contextId: {} }, { referenceTaskIds: 'secret' }])(
    '%j is no id, and is not passed on to be read as one',
    async (link) => {
      const { peer, stranger, callee } = await scene()
      expect(await stranger.send(callee.id, 'let me in', link)).toMatchObject({
        status: 400,
        body: { code: 'invalid_request' },
      })
      expect(peer.seen).toHaveLength(1)
    },
  )

  it('a look at an own task cannot name another one beside it', async () => {
    const { peer, owner, callee } = await scene()
    const params = { id: 'tasks/secret', name: 'tasks/other', task_id: 'other', history_length: 3 }
    const body = { jsonrpc: '2.0', id: 1, method: 'tasks/get', params }
    expect((await owner.call(`POST /workspaces/${callee.id}/a2a`, { body })).status).toBe(200)
    expect(peer.seen[1]!.params).toEqual({ id: 'secret', historyLength: 3 })
  })
})

it('push notifications are refused, in every spelling', async () => {
  const { peer, owner, callee } = await scene()
  for (const name of [
    'pushNotificationConfig',
    'push_notification_config',
    'taskPushNotificationConfig',
    'task_push_notification_config',
  ]) {
    const configuration = { blocking: true, [name]: { url: 'http://10.0.0.1/x' } }
    const reply = await owner.send(callee.id, 'x', {}, { configuration })
    expect(reply).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
    expect(reply.body.error).toContain(name)
  }
  expect(peer.seen).toHaveLength(1)
})

it('known fields are passed on in one spelling, and no others', () => {
  const parts = [{ text: 'hi', media_type: 'text/plain' }]
  const message = {
    message_id: 'm',
    role: 'user',
    parts,
    taskId: '',
    context_id: 'c',
    extra: 1,
    metadata: { a_b: 1 },
  }
  const configuration = { return_immediately: true, accepted_output_modes: ['text'], extra: 1 }
  const given = {
    jsonrpc: '2.0',
    id: 4,
    method: 'SendMessage',
    params: { message, configuration, tenant: 'x' },
  }
  expect(incomingOf(given, () => 'new').envelope).toEqual({
    jsonrpc: '2.0',
    id: 4,
    method: 'SendMessage',
    params: {
      message: { messageId: 'm', role: 'user', parts, contextId: 'c', metadata: { a_b: 1 } },
      configuration: { returnImmediately: true, acceptedOutputModes: ['text'] },
    },
  })
})
