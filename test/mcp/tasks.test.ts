import { describe, expect, it } from 'vitest'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { processesOf, uniqueSleep, until } from '../e2e/cli-process.js'
import {
  connect,
  idIn,
  oldClient,
  startHttp,
  stdioServer,
  temporaryFolder,
  type Data,
  type Wire,
} from './support.js'
import { taskClient } from './task-client.js'

const wires: readonly Wire[] = ['stdio', 'HTTP']

async function serverOf(wire: Wire, folder = temporaryFolder(), options: Data = {}) {
  return wire === 'HTTP' ? (await startHttp(folder, options)).url : stdioServer(folder)
}

interface StreamMessage {
  readonly type: string
  readonly task?: Data
  readonly result?: { readonly structuredContent?: Data }
  readonly error?: Error & { readonly code?: number; readonly data?: Data }
}

describe.each(wires)('tasks of 2025-11-25 over %s', (wire) => {
  it('a call is a task with progress, and its result is what came of the unit', async () => {
    const client = await oldClient(await serverOf(wire))
    await client.listTools()
    const messages: StreamMessage[] = []
    const stream = client.experimental.tasks.callToolStream({
      name: 'delegate_task',
      arguments: { goal: 'sleep 0.2; echo done' },
    })
    for await (const message of stream) messages.push(message as StreamMessage)
    expect(messages[0]).toMatchObject({ type: 'taskCreated', task: { status: 'working', ttl: null } })
    expect(messages.at(-1)?.result?.structuredContent).toMatchObject({
      status: 'completed',
      result: { results: [{ summary: 'done' }] },
    })
    const taskId = messages[0]?.task?.['taskId'] as string
    expect(taskId).toMatch(/^deleg_/)
    expect(await client.experimental.tasks.getTask(taskId)).toMatchObject({ taskId, status: 'completed' })
    expect((await client.experimental.tasks.listTasks()).tasks).toMatchObject([{ taskId }])
    await expect(client.experimental.tasks.cancelTask(taskId)).rejects.toMatchObject({ code: -32602 })
    // Its end was told: nothing is left to collect.
    const collected = await client.callTool({ name: 'collect', arguments: {} })
    expect(collected.structuredContent).toMatchObject({ count: 0 })
    await client.close()
  })

  it('cancelling it stops the unit', async () => {
    const client = await oldClient(await serverOf(wire))
    await client.listTools()
    const goal = uniqueSleep(60)
    const stream = client.experimental.tasks.callToolStream({ name: 'delegate_task', arguments: { goal } })
    const first = (await stream.next()).value as StreamMessage
    const taskId = first.task?.['taskId'] as string
    await until(() => processesOf(goal).length > 0)
    expect(await client.experimental.tasks.cancelTask(taskId)).toMatchObject({ taskId, status: 'cancelled' })
    expect(processesOf(goal)).toEqual([])
    const result = await client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema)
    expect(result).toMatchObject({
      isError: true,
      structuredContent: { result: { results: [{ status: 'interrupted' }] } },
    })
    await client.close()
  })

  it('a bad end is a failed task, a refusal an error with data, and what is no task is told', async () => {
    const client = await oldClient(await serverOf(wire))
    await client.listTools()
    const { tasks } = client.experimental
    const all = async (name: string, input: Data) => {
      const messages: StreamMessage[] = []
      const params = { name, arguments: { ...input } }
      const stream = tasks.callToolStream(params, CallToolResultSchema, { task: {} })
      for await (const message of stream) messages.push(message as StreamMessage)
      return messages
    }
    const failed = await all('delegate_task', { goal: 'echo no; exit 3' })
    expect(failed.map(({ task }) => task?.['status']).at(-2)).toBe('failed')
    const taskId = failed[0]?.task?.['taskId'] as string
    expect(await tasks.getTaskResult(taskId, CallToolResultSchema)).toMatchObject({ isError: true })

    for (let live = 0; live < 3; live += 1)
      await client.callTool({ name: 'delegate_task', arguments: { goal: 'sleep 60' } })
    const [refused] = await all('delegate_task', { goal: 'echo no' })
    expect(refused).toMatchObject({
      type: 'error',
      error: { code: -32000, data: { status: 'rejected', refusal: { code: 'CAPACITY' } } },
    })
    expect(await all('delegate_task', { action: 'list' })).toMatchObject([{ error: { code: -32000 } }])
    expect(await all('capacity', {})).toMatchObject([{ error: { code: -32601 } }])
    for (const unknown of ['deleg_00000000000000000000', '', '../x']) {
      await expect(tasks.getTask(unknown)).rejects.toMatchObject({ code: -32602 })
      await expect(tasks.getTaskResult(unknown)).rejects.toMatchObject({ code: -32602 })
      await expect(tasks.cancelTask(unknown)).rejects.toMatchObject({ code: -32602 })
    }
    await expect(tasks.listTasks('nonsense')).rejects.toMatchObject({ code: -32602 })
    await client.callTool({ name: 'interrupt', arguments: { all: true } })
    await client.close()
  })
})

it('what a sibling had finished is a result, also of a task that was cancelled', async () => {
  const client = await oldClient(await serverOf('stdio'))
  await client.listTools()
  const goal = uniqueSleep(60)
  const tasks = [{ goal: 'echo the finished one' }, { goal }]
  const params = { name: 'delegate_task', arguments: { tasks } }
  const stream = client.experimental.tasks.callToolStream(params)
  const first = (await stream.next()).value as StreamMessage
  const taskId = first.task?.['taskId'] as string
  await until(async () => {
    const checked = await client.callTool({ name: 'delegate_task', arguments: { action: 'list' } })
    const [one] = (checked.structuredContent as { subagents: readonly Data[] }).subagents
    return one?.['status'] === 'completed' && processesOf(goal).length > 0
  })
  expect(await client.experimental.tasks.cancelTask(taskId)).toMatchObject({ status: 'completed' })
  expect(processesOf(goal)).toEqual([])
  const result = await client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema)
  expect(result.structuredContent).toMatchObject({
    result: { results: [{ summary: 'the finished one' }, { status: 'interrupted' }] },
  })
  await client.close()
})

describe.each(wires)('the tasks extension of 2026-07-28 over %s', (wire) => {
  it('a call of a client that knows tasks is one, and is followed to its result', async () => {
    const { session } = await taskClient(await serverOf(wire))
    const execution = await session.callTool('delegate_task', { goal: 'sleep 0.2; echo done' })
    expect(execution.kind).toBe('task')
    const { outcome } = await execution.settle()
    expect(outcome).toMatchObject({
      status: 'completed',
      result: { structuredContent: { status: 'completed', result: { results: [{ summary: 'done' }] } } },
    })
    expect((await session.callTool('capacity')).kind).toBe('immediate')
    const collected = await (await session.callTool('collect')).settle()
    expect(collected.outcome).toMatchObject({ result: { structuredContent: { count: 0 } } })
  })

  it('cancelling it stops the unit', async () => {
    const { session, raw } = await taskClient(await serverOf(wire))
    const goal = uniqueSleep(60)
    const execution = await session.callTool('delegate_task', { goal })
    await until(() => processesOf(goal).length > 0)
    await execution.cancel()
    expect(processesOf(goal)).toEqual([])
    expect((await execution.settle()).outcome.status).toBe('cancelled')
    const taskId = execution.handle?.taskId ?? ''
    expect((await raw('tasks/get', { taskId })).result).toMatchObject({ status: 'cancelled' })
    expect((await raw('tasks/cancel', { taskId })).result).toMatchObject({ resultType: 'complete' })
  })

  it('a bad end is a result that is an error, and a refusal is no task', async () => {
    const { session, raw } = await taskClient(await serverOf(wire))
    const failed = await (await session.callTool('delegate_task', { goal: 'exit 3' })).settle()
    expect(failed.outcome).toMatchObject({ status: 'completed', result: { isError: true } })
    for (let live = 0; live < 3; live += 1) await session.callTool('delegate_task', { goal: 'sleep 60' })
    const refused = await session.callTool('delegate_task', { goal: 'echo no' })
    expect(refused.kind).toBe('immediate')
    expect((await refused.settle()).outcome).toMatchObject({
      result: { isError: true, structuredContent: { refusal: { code: 'CAPACITY' } } },
    })
    await raw('tools/call', { name: 'interrupt', arguments: { all: true } })
  })

  it('unknown ids, and clients that say nothing of tasks, are errors of the protocol', async () => {
    const { raw } = await taskClient(await serverOf(wire))
    const taskId = 'deleg_00000000000000000000'
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      const params = { taskId, inputResponses: { x: 1 } }
      expect(await raw(method, params), method).toMatchObject({ error: { code: -32602 } })
      expect(await raw(method, { taskId: 7 }), method).toMatchObject({ error: { code: -32602 } })
      expect(await raw(method, params, { knowsTasks: false }), method).toMatchObject({
        error: {
          code: -32021,
          data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } },
        },
      })
    }
    const call = { name: 'delegate_task', arguments: { goal: 'echo plain' } }
    const plain = await raw('tools/call', call, { knowsTasks: false })
    expect(plain.result).toMatchObject({ resultType: 'complete', structuredContent: { mode: 'background' } })
  })
})

const asks = new URL('../fixtures/runtime/asks.js', import.meta.url).href

describe('questions', () => {
  it("a child's question is put to the user of a client that can ask, and answered by tasks/update", async () => {
    const { url } = await startHttp(temporaryFolder(), { module: asks })
    const { session } = await taskClient(url, 'blue')
    const execution = await session.callTool('delegate_task', { goal: 'which colour?' })
    const seen: string[] = []
    const { outcome } = await execution.settle({
      onEvent: (event) => {
        if (event.type === 'task') seen.push(event.task.status)
      },
    })
    expect(seen).toContain('input_required')
    expect(JSON.stringify(outcome)).toContain('blue')
  })

  it('other clients collect it, and answer with a tool', async () => {
    const { url } = await startHttp(temporaryFolder(), { module: asks })
    const client = await connect('v1', url)
    const { data } = await client.call('delegate_task', { goal: 'which colour?' })
    const found: Data[] = []
    while (found.length === 0) {
      const collected = await client.call('collect')
      found.push(...(collected.data['completions'] as Data[]))
    }
    expect(found[0]).toMatchObject({ task_id: idIn(data), status: 'in_progress', question_id: 'ask-1' })
    expect(found[0]?.['text']).toContain('which colour?')
    expect(
      await client.call('answer', { task_id: idIn(data), text: 'blue', question_id: 'ask-9' }),
    ).toMatchObject({ isError: true, data: { status: 'not_waiting' } })
    expect((await client.call('answer', { task_id: idIn(data), text: 'blue' })).data).toMatchObject({
      status: 'answered',
    })
    expect((await client.call('wait', { task_id: idIn(data) })).text).toContain('blue')
  })
})

describe('a server that is killed', () => {
  it('tasks are there again after its restart, whichever form the next client speaks', async () => {
    const folder = temporaryFolder()
    const first = await startHttp(folder)
    const { session, raw } = await taskClient(first.url)
    const done = await session.callTool('delegate_task', { goal: 'echo done' })
    const doneId = done.handle?.taskId ?? ''
    const live = await session.callTool('delegate_task', { goal: 'sleep 60' })
    const liveId = live.handle?.taskId ?? ''
    await until(async () => (await raw('tasks/get', { taskId: doneId })).result?.['status'] === 'completed')
    await first.kill()

    const { url } = await startHttp(folder)
    const next = await taskClient(url)
    const finished = await next.raw('tasks/get', { taskId: doneId })
    expect(finished.result).toMatchObject({
      status: 'completed',
      result: { structuredContent: { result: { results: [{ summary: 'done' }] } } },
    })
    await until(
      async () => (await next.raw('tasks/get', { taskId: liveId })).result?.['status'] !== 'working',
    )
    expect((await next.raw('tasks/get', { taskId: liveId })).result).toMatchObject({
      status: 'completed',
      result: { isError: true, structuredContent: { state: 'unknown' } },
    })
    const old = await oldClient(url)
    expect(await old.experimental.tasks.getTask(doneId)).toMatchObject({ status: 'completed' })
    expect(await old.experimental.tasks.getTask(liveId)).toMatchObject({ status: 'failed' })
    await old.close()
  })
})
