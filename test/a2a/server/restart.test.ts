import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TaskState } from '@a2a-js/sdk'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { processesOf, uniqueSleep, until } from '../../e2e/cli-process.js'
import {
  messageOf,
  receiver,
  sendOf,
  sent,
  serving,
  stateOf,
  textsOf,
  nameOf,
  type Received,
  type Serving,
} from './serving.js'

const immediate = { returnImmediately: true }
const pushTo = (url: string, more: object = {}) => ({
  taskPushNotificationConfig: {
    tenant: '',
    id: '',
    taskId: '',
    url,
    token: 'of-the-task',
    authentication: undefined,
    ...more,
  },
})

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]()
})
const opened = <T extends AsyncDisposable>(each: T): T => {
  open.push(each)
  return each
}
const withReceiver = async (statusOf?: (n: number) => number) => {
  const hook = opened(await receiver(statusOf))
  return { hook, server: opened(await serving({ serve: { push: { allow_private_hosts: [hook.host] } } })) }
}

const taskIn = ({ body }: Received) =>
  (
    JSON.parse(body) as {
      task: { id: string; status: { state: string }; artifacts?: { parts: { text: string }[] }[] }
    }
  ).task
const eventId = ({ headers }: Received) => headers['x-a2a-event-id']

describe('a server that dies', () => {
  it('P3: kill -9 in the middle: what had ended is there, what ran is FAILED and says why', async () => {
    const server = opened(await serving())
    const client = await server.client()
    const done = await sent(client, messageOf('echo kept'))
    const sleep = uniqueSleep(300)
    const running = await sent(client, messageOf(sleep), immediate)
    await until(() => processesOf(sleep).length > 0)
    await server.kill()
    await until(() => processesOf(sleep).length === 0)
    await server.restart()
    const after = await server.client()
    expect(textsOf(await after.getTask({ tenant: '', id: done.id }))).toEqual(['kept'])
    await until(
      async () => stateOf(await after.getTask({ tenant: '', id: running.id })) === 'TASK_STATE_FAILED',
    )
    const lost = await after.getTask({ tenant: '', id: running.id })
    expect(lost.metadata).toMatchObject({
      'hermes-delegate': { status: 'unknown', last_known_status: 'running' },
    })
    expect(lost.status?.message?.parts[0]?.content?.value).toContain('outcome unknown')
    // The same message is the same task still: it is not run again behind its caller's back.
    const { tasks } = await after.listTasks({
      tenant: '',
      contextId: '',
      status: TaskState.TASK_STATE_UNSPECIFIED,
      pageToken: '',
      statusTimestampAfter: undefined,
    })
    expect(tasks.map(({ id }) => id).sort()).toEqual([done.id, running.id].sort())
  })

  it('P3: a message that is sent again after kill -9 gets the task that it had begun', async () => {
    const server = opened(await serving())
    const message = messageOf('echo one')
    const first = await sent(await server.client(), message)
    await server.kill()
    await server.restart()
    expect((await sent(await server.client(), message)).id).toBe(first.id)
  })

  it('P3: kill -9 before the end of a task: its push is sent by the next process', async () => {
    const { hook, server } = await withReceiver()
    const file = join(server.folder, 'never')
    const task = await sent(await server.client(), messageOf(`hold ${file}`), {
      ...immediate,
      ...pushTo(hook.url),
    })
    await server.kill()
    expect(hook.received).toEqual([])
    await server.restart()
    await until(() => hook.received.length > 0)
    expect(taskIn(hook.received[0]!)).toMatchObject({ id: task.id, status: { state: 'TASK_STATE_FAILED' } })
  })

  it('B25: kill -9 while the receiver refuses: the next process goes on, under the same id', async () => {
    let isWell = false
    const { hook, server } = await withReceiver(() => (isWell ? 200 : 500))
    await sent(await server.client(), messageOf('echo told'), pushTo(hook.url))
    await until(() => hook.received.length > 0)
    await server.kill()
    isWell = true
    await server.restart()
    await until(() => hook.received.some(({ status }) => status === 200))
    expect(new Set(hook.received.map(eventId)).size).toBe(1)
    expect(taskIn(hook.received.at(-1)!).artifacts?.[0]?.parts[0]?.text).toBe('told')
  })
})

describe('a server that is told to stop', () => {
  it('lets what runs end, tells its streams, and takes nothing new', async () => {
    const server = opened(await serving())
    const client = await server.client()
    const file = join(server.folder, 'go')
    const states: string[] = []
    const stream = client.sendMessageStream(sendOf(messageOf(`hold ${file}`)))
    await stream.next()
    const ended = server.stop()
    await until(
      async () => (await fetch(`${server.url}/.well-known/agent-card.json`).catch(() => null)) === null,
    )
    writeFileSync(file, '')
    for await (const { payload } of stream)
      if (payload?.$case === 'statusUpdate') states.push(nameOf(payload.value.status?.state))
    expect(states.at(-1)).toBe('TASK_STATE_COMPLETED')
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })

  it('stops what does not end in time, and says so to who follows it', async () => {
    const server = opened(await serving({ serve: { drain_seconds: 0 } }))
    const client = await server.client()
    const sleep = uniqueSleep(300)
    const stream = client.sendMessageStream(sendOf(messageOf(sleep)))
    await stream.next()
    await until(() => processesOf(sleep).length > 0)
    const ended = server.stop()
    let last = ''
    for await (const { payload } of stream)
      if (payload?.$case === 'statusUpdate') last = nameOf(payload.value.status?.state)
    expect(last).toBe('TASK_STATE_CANCELED')
    expect((await ended).code).toBe(0)
    expect(processesOf(sleep)).toEqual([])
  })
})

describe('pushes', () => {
  it('a receiver that fails twice and then takes it gets it once more, each time under one id, and signed', async () => {
    const { hook, server } = await withReceiver((n) => (n < 3 ? 503 : 200))
    const task = await sent(await server.client(), messageOf('echo x'), pushTo(hook.url))
    await until(() => hook.received.length >= 3)
    expect(hook.received.map(({ status }) => status)).toEqual([503, 503, 200])
    expect(new Set(hook.received.map(eventId)).size).toBe(1)
    for (const { headers, body } of hook.received) {
      expect(headers).toMatchObject({
        'x-a2a-notification-token': 'of-the-task',
        'content-type': 'application/a2a+json',
      })
      const [, at, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-a2a-signature'])) ?? []
      expect(digest).toBe(createHmac('sha256', 'a-secret-of-alice').update(`${at}.${body}`).digest('hex'))
    }
    expect(taskIn(hook.received[2]!)).toMatchObject({
      id: task.id,
      status: { state: 'TASK_STATE_COMPLETED' },
    })
    // It is done: nothing of it is left to send, nor to be drained.
    await until(
      async () => !(await server.command('deliveries', 'list', '--json')).stdout.includes('a2a_push'),
    )
  })

  it('tells of a question when it is asked, and of the end', async () => {
    const { hook, server } = await withReceiver()
    const client = await server.client()
    const task = await sent(client, messageOf('ask a b'), { ...immediate, ...pushTo(hook.url) })
    await until(() => hook.received.length === 1)
    expect(JSON.parse(hook.received[0]!.body)).toMatchObject({
      statusUpdate: { taskId: task.id, status: { state: 'TASK_STATE_INPUT_REQUIRED' } },
    })
    await sent(client, messageOf('a', { taskId: task.id }))
    await until(() => hook.received.length === 2)
    expect(taskIn(hook.received[1]!).artifacts?.[0]?.parts[0]?.text).toBe('you said a')
    expect(new Set(hook.received.map(eventId)).size).toBe(2)
  })

  it('one that was set by 0.3 gets what 0.3 says, with the authentication that it asked for', async () => {
    const { hook, server } = await withReceiver()
    const message = {
      kind: 'message',
      messageId: 'm',
      role: 'user',
      parts: [{ kind: 'text', text: 'echo old' }],
    }
    const authentication = { schemes: ['Bearer'], credentials: 'of-the-hook' }
    const configuration = { blocking: true, pushNotificationConfig: { url: hook.url, authentication } }
    await server.rpc('message/send', { message, configuration }, { version: '' })
    await until(() => hook.received.length === 1)
    const [{ headers, body }] = hook.received as [Received]
    expect(JSON.parse(body)).toMatchObject({ kind: 'task', status: { state: 'completed' } })
    expect(headers.authorization).toBe('Bearer of-the-hook')
  })

  it('configurations are set, listed, got, replaced and deleted, each by its own caller', async () => {
    const { hook, server } = await withReceiver()
    const [alice, bob] = [await server.client('alice', 'HTTP+JSON'), await server.client('bob')]
    const file = join(server.folder, 'go')
    const { id: taskId } = await sent(alice, messageOf(`hold ${file}`), immediate)
    const config = { tenant: '', id: 'mine', taskId, url: hook.url, token: '', authentication: undefined }
    await alice.createTaskPushNotificationConfig(config)
    await alice.createTaskPushNotificationConfig({ ...config, token: 'newer' })
    const { configs } = await alice.listTaskPushNotificationConfig({
      tenant: '',
      taskId,
      pageSize: 0,
      pageToken: '',
    })
    expect(configs.map(({ id, token }) => [id, token])).toEqual([['mine', 'newer']])
    const at = { tenant: '', taskId, id: 'mine' }
    expect((await alice.getTaskPushNotificationConfig(at)).url).toBe(hook.url)
    await expect(bob.getTaskPushNotificationConfig(at)).rejects.toThrow()
    await expect(bob.createTaskPushNotificationConfig(config)).rejects.toThrow(/there is no task/)
    await alice.deleteTaskPushNotificationConfig(at)
    await expect(alice.getTaskPushNotificationConfig(at)).rejects.toThrow()
    writeFileSync(file, '')
    await sent(alice, messageOf('echo after'), pushTo(hook.url))
    await until(() => hook.received.length > 0)
    // The deleted one was told of nothing.
    expect(hook.received.map((each) => taskIn(each).id)).not.toContain(taskId)
  })
})

describe('a receiver that must not be reached', () => {
  let server: Serving
  beforeAll(async () => {
    server = await serving()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it.each([
    'http://127.0.0.1:9/',
    'http://10.0.0.1/hook',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]:80/',
    'http://[::ffff:127.0.0.1]/',
    'http://localhost/hook',
    'http://2130706433/',
    'file:///etc/passwd',
    'https://user:pass@example.com/',
    'nonsense',
  ])('%s is refused, before the task is begun', async (url) => {
    const client = await server.client()
    const before = (await client.listTasks(all)).totalSize
    await expect(sent(client, messageOf('echo x'), pushTo(url))).rejects.toThrow(/push URL/)
    expect((await client.listTasks(all)).totalSize).toBe(before)
  })
})

const all = {
  tenant: '',
  contextId: '',
  status: TaskState.TASK_STATE_UNSPECIFIED,
  pageToken: '',
  statusTimestampAfter: undefined,
}
