import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TaskState, type StreamResponse, type Task } from '@a2a-js/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { processesOf, uniqueSleep, until } from '../../e2e/cli-process.js'
import {
  data,
  messageOf,
  nameOf,
  sendOf,
  sent,
  serving,
  stateOf,
  text,
  textsOf,
  type Serving,
} from './serving.js'

let server: Serving
beforeAll(async () => {
  server = await serving()
})
afterAll(() => server[Symbol.asyncDispose]())

const immediate = { returnImmediately: true }
const get = async (id: string): Promise<Task> => (await server.client()).getTask({ tenant: '', id })

/** What was told, in short: the kind, and the state or the text. */
async function told(
  stream: AsyncGenerator<StreamResponse>,
  onEach?: (line: string) => void,
): Promise<string[]> {
  const lines: string[] = []
  for await (const { payload } of stream) {
    const line =
      payload?.$case === 'task' || payload?.$case === 'statusUpdate'
        ? `${payload.$case} ${nameOf(payload.value.status?.state)}`
        : payload?.$case === 'artifactUpdate'
          ? `artifact ${payload.value.artifact?.artifactId}`
          : 'message'
    lines.push(line)
    onEach?.(line)
  }
  return lines
}

describe.each(['JSONRPC', 'HTTP+JSON'] as const)('the official client, over %s', (transport) => {
  it('sends, waits for the end, and gets the result as an artifact', async () => {
    const client = await server.client('alice', transport)
    const task = await sent(client, messageOf('echo hello'))
    expect(stateOf(task)).toBe('TASK_STATE_COMPLETED')
    expect(task.id).toMatch(/^deleg_[0-9a-f]{20}$/)
    expect(textsOf(task)).toEqual(['hello'])
    expect(task.history[0]?.parts[0]?.content?.value).toBe('echo hello')
    const again = await client.getTask({ tenant: '', id: task.id, historyLength: 0 })
    expect({ state: stateOf(again), history: again.history }).toEqual({
      state: 'TASK_STATE_COMPLETED',
      history: [],
    })
  })

  it('streams: the task, its states, its artifacts, its end', async () => {
    const client = await server.client('alice', transport)
    const file = join(server.folder, `go-${transport.length}`)
    const stream = client.sendMessageStream(sendOf(messageOf(`step ${file}`)))
    const lines = await told(stream, (line) => {
      if (line === 'statusUpdate TASK_STATE_WORKING') writeFileSync(file, '')
    })
    expect(lines[0]).toMatch(/^task TASK_STATE_(?:SUBMITTED|WORKING)$/)
    expect(lines).toContain('statusUpdate TASK_STATE_WORKING')
    expect(lines.slice(-2)).toEqual(['artifact child-0', 'statusUpdate TASK_STATE_COMPLETED'])
  })

  it('a caller that comes later subscribes to what goes on; to what has ended it cannot', async () => {
    const client = await server.client('alice', transport)
    const file = join(server.folder, `later-${transport.length}`)
    const task = await sent(client, messageOf(`hold ${file}`), immediate)
    const lines = await told(client.resubscribeTask({ tenant: '', id: task.id }), (line) => {
      if (line.startsWith('task ')) writeFileSync(file, '')
    })
    expect(lines.at(-1)).toBe('statusUpdate TASK_STATE_COMPLETED')
    await expect(told(client.resubscribeTask({ tenant: '', id: task.id }))).rejects.toThrow(/has ended/)
  })

  it('B16: cancel answers after the child and its process are gone', async () => {
    const client = await server.client('alice', transport)
    const sleep = uniqueSleep(300)
    const task = await sent(client, messageOf(sleep), immediate)
    await until(() => processesOf(sleep).length > 0)
    const canceled = await client.cancelTask({ tenant: '', id: task.id, metadata: undefined })
    expect(processesOf(sleep)).toEqual([])
    expect(stateOf(canceled)).toBe('TASK_STATE_CANCELED')
    expect(canceled.metadata).toMatchObject({ 'hermes-delegate': { stop: { signalled: 1, unreachable: 0 } } })
    await expect(client.cancelTask({ tenant: '', id: task.id, metadata: undefined })).rejects.toThrow(
      /ended already/,
    )
  })

  it('lists by context and by state, page after page', async () => {
    const client = await server.client('bob', transport)
    const contextId = `list-${transport.length}`
    const ids: string[] = []
    for (const n of [1, 2, 3]) ids.push((await sent(client, messageOf(`echo ${n}`, { contextId }))).id)
    const page = {
      tenant: '',
      contextId,
      status: TaskState.TASK_STATE_COMPLETED,
      pageToken: '',
      pageSize: 2,
      statusTimestampAfter: undefined,
      includeArtifacts: true,
    }
    const first = await client.listTasks(page)
    expect(first.tasks.map(({ id }) => id)).toEqual([ids[2], ids[1]])
    expect(first.tasks.map(textsOf)).toEqual([['3'], ['2']])
    expect(first).toMatchObject({ totalSize: 3, pageSize: 2 })
    const second = await client.listTasks({
      ...page,
      pageToken: first.nextPageToken,
      includeArtifacts: false,
    })
    expect(second.tasks.map(({ id, artifacts }) => [id, artifacts])).toEqual([[ids[0], []]])
    expect(second.nextPageToken).toBe('')
    const none = await client.listTasks({ ...page, status: TaskState.TASK_STATE_FAILED })
    expect(none.tasks).toEqual([])
    await expect(client.listTasks({ ...page, pageSize: 101 })).rejects.toThrow(/pageSize/)
    const future = new Date(Date.now() + 3_600_000).toISOString()
    expect((await client.listTasks({ ...page, statusTimestampAfter: future })).tasks).toEqual([])
    await expect(client.listTasks({ ...page, statusTimestampAfter: 'soon' })).rejects.toThrow(/no time/)
  })

  it('what another caller began is not there', async () => {
    const alice = await server.client('alice', transport)
    const bob = await server.client('bob', transport)
    const { id, contextId } = await sent(alice, messageOf('echo secret'))
    await expect(bob.getTask({ tenant: '', id })).rejects.toThrow(/there is no task/)
    await expect(bob.cancelTask({ tenant: '', id, metadata: undefined })).rejects.toThrow(/there is no task/)
    await expect(told(bob.resubscribeTask({ tenant: '', id }))).rejects.toThrow(/there is no task/)
    await expect(sent(bob, messageOf('echo me', { taskId: id }))).rejects.toThrow(/there is no task/)
    // A context is its caller's, too: the same name is another conversation.
    const own = await sent(bob, messageOf('echo mine', { contextId }))
    expect(own.contextId).toBe(contextId)
  })
})

describe('a task', () => {
  it('B5: a message that is sent again is the same task; another one under its id is refused', async () => {
    const client = await server.client()
    const message = messageOf('echo once')
    const first = await sent(client, message)
    const again = await sent(client, message)
    expect([again.id, again.contextId]).toEqual([first.id, first.contextId])
    const other = { ...message, parts: [text('echo twice')] }
    await expect(sent(client, other)).rejects.toThrow(/was used for another message/)
    // The other caller's ids are its own.
    expect((await sent(await server.client('bob'), message)).id).not.toBe(first.id)
  })

  it('asks: input-required with the question, which a follow-up answers; sent again, it answers once', async () => {
    const client = await server.client()
    const task = await sent(client, messageOf('ask red blue'))
    expect(stateOf(task)).toBe('TASK_STATE_INPUT_REQUIRED')
    expect(task.status?.message?.parts[0]?.content?.value).toBe('which of red blue?')
    expect(task.status?.message?.parts[1]?.content?.value).toMatchObject({ choices: ['red', 'blue'] })
    const answer = messageOf('blue', { taskId: task.id })
    const done = await sent(client, answer)
    expect([stateOf(done), textsOf(done)]).toEqual(['TASK_STATE_COMPLETED', ['you said blue']])
    expect(stateOf(await sent(client, answer))).toBe('TASK_STATE_COMPLETED')
    await expect(sent(client, messageOf('red', { taskId: task.id }))).rejects.toThrow(/has ended/)
  })

  it('an answer that is sent again is not the answer to the next question', async () => {
    const client = await server.client()
    const { id: taskId } = await sent(client, messageOf('two-asks'))
    const first = messageOf('one', { taskId })
    expect(stateOf(await sent(client, first))).toBe('TASK_STATE_INPUT_REQUIRED')
    await sent(client, first)
    expect((await get(taskId)).status?.message?.parts[0]?.content?.value).toBe('second?')
    expect(textsOf(await sent(client, messageOf('two', { taskId })))).toEqual(['one, two'])
  })

  it('streams that it waits, and goes on when it was answered', async () => {
    const client = await server.client()
    const taskIds: string[] = []
    const lines: string[] = []
    for await (const { payload } of client.sendMessageStream(sendOf(messageOf('ask a b')))) {
      if (payload?.$case === 'task') taskIds.push(payload.value.id)
      if (payload?.$case !== 'statusUpdate') continue
      lines.push(nameOf(payload.value.status?.state))
      if (payload.value.status?.state === TaskState.TASK_STATE_INPUT_REQUIRED)
        await sent(client, messageOf('a', { taskId: taskIds[0]! }), immediate)
    }
    expect(lines).toContain('TASK_STATE_INPUT_REQUIRED')
    expect(lines.at(-1)).toBe('TASK_STATE_COMPLETED')
  })

  it('works again once it was answered; the time of its state stands still with it, and never goes back', async () => {
    const client = await server.client()
    const file = join(server.folder, 'answered')
    const asking = await sent(client, messageOf(`ask-hold ${file}`))
    const working = await sent(client, messageOf('yes', { taskId: asking.id }), immediate)
    expect(stateOf(working)).toBe('TASK_STATE_WORKING')
    const again = await get(asking.id)
    expect(again.status?.timestamp).toBe(working.status?.timestamp)
    writeFileSync(file, '')
    await until(async () => stateOf(await get(asking.id)) === 'TASK_STATE_COMPLETED')
    const done = await get(asking.id)
    const times = [asking, working, done].map((task) => Date.parse(task.status?.timestamp ?? ''))
    expect(times).toEqual([...times].sort((a, b) => a - b))
  })

  it('hears what is said to it while it works, where it listens', async () => {
    const client = await server.client()
    const { id: taskId } = await sent(client, messageOf('hear'), immediate)
    const done = await sent(client, messageOf('look left', { taskId }))
    expect(textsOf(done)).toEqual(['look left'])
  })

  it('a batch has an artifact for each child that returned anything, and the failure of another in its facts', async () => {
    const task = await sent(
      await server.client(),
      messageOf([data({ goals: ['echo a', 'burst', 'echo c'] })]),
    )
    expect(stateOf(task)).toBe('TASK_STATE_COMPLETED')
    expect(task.artifacts.map(({ artifactId }) => artifactId)).toEqual(['child-0', 'child-2'])
    expect(textsOf(task)).toEqual(['a', 'c'])
    const { children } = (task.metadata as Record<string, { children: unknown[] }>)['hermes-delegate']!
    expect(children[1]).toEqual({ task_index: 1, state: 'error' })
  })

  it('who subscribes late to a batch gets the artifacts of the children that had ended before, too', async () => {
    const client = await server.client()
    const file = join(server.folder, 'late-batch')
    const { id } = await sent(client, messageOf([data({ goals: ['echo first', `hold ${file}`] })]), immediate)
    await until(async () => JSON.stringify((await get(id)).metadata).includes('completed'))
    const lines = await told(client.resubscribeTask({ tenant: '', id }), (line) => {
      if (line.startsWith('task ')) writeFileSync(file, '')
    })
    expect(lines.filter((line) => line.startsWith('artifact')).sort()).toEqual([
      'artifact child-0',
      'artifact child-1',
    ])
  })

  it('B10: a failure is FAILED, with the reason', async () => {
    const task = await sent(await server.client(), messageOf('burst'))
    expect(stateOf(task)).toBe('TASK_STATE_FAILED')
    expect(task.status?.message?.parts[0]?.content?.value).toContain('cannot burst')
    expect(task.metadata).toMatchObject({ 'hermes-delegate': { status: 'error' } })
  })

  it('B12: a result that was too long to travel is whole', async () => {
    expect(textsOf(await sent(await server.client(), messageOf('long')))).toEqual(['x'.repeat(50_000)])
  })

  it('P10: a result that names a file of this machine opens nothing', async () => {
    const task = await sent(await server.client(), messageOf('steal /etc/passwd'))
    expect(textsOf(task)).toEqual(['cut'])
    expect(task.artifacts[0]?.metadata).toMatchObject({ 'hermes-delegate': { summary_truncated: true } })
  })

  it('data and text files of the message reach the child; bytes that nobody could read are refused', async () => {
    const client = await server.client()
    const named = (mediaType: string) => ({
      metadata: undefined,
      filename: 'notes',
      mediaType,
      content: { $case: 'raw' as const, value: Buffer.from('by hand') },
    })
    const task = await sent(client, messageOf([text('context'), data({ a: 1 }), named('text/plain')]))
    expect(textsOf(task)[0]).toContain('{"a":1}')
    expect(textsOf(task)[0]).toContain('notes (text/plain):\nby hand')
    await expect(sent(client, messageOf([text('context'), named('image/png')]))).rejects.toThrow(/image\/png/)
    await expect(sent(client, messageOf([data({ a: 1 })]))).rejects.toThrow(/no text/)
    await expect(sent(client, messageOf('   '))).rejects.toThrow(/no text/)
    await expect(sent(client, messageOf('echo', { contextId: 'x'.repeat(201) }))).rejects.toThrow(/contextId/)
  })

  it('no drain gets it, whoever it asks for', async () => {
    const { id, contextId } = await sent(await server.client(), messageOf('echo quiet'))
    for (const selection of [['--all'], ['--session', `a2a:alice:${contextId}`]]) {
      const { stdout } = await server.command('drain', ...selection)
      expect(stdout).toBe('')
    }
    expect(textsOf(await get(id))).toEqual(['quiet'])
  })
})
