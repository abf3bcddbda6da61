import type { StreamResponse, Task } from '@a2a-js/sdk'
import { TaskState } from '@a2a-js/sdk'
import { describe, expect, it } from 'vitest'
import { TaskView } from '../../src/a2a/task-view.js'
import { lyingPeer, result } from './lying-server.js'
import { delegate, eventually, openOnPeer, start } from './support.js'

const nowMs = Date.parse('2026-01-01T12:00:00Z')
const time = { now: () => nowMs / 1000 }
const { TASK_STATE_WORKING: working, TASK_STATE_INPUT_REQUIRED: asking } = TaskState

function taskAt(state: TaskState, seconds: number, id = 't-1'): Task {
  const timestamp = new Date(nowMs + seconds * 1000).toISOString()
  const status = { state, timestamp, message: undefined }
  return { id, contextId: 'c-1', status, artifacts: [], history: [], metadata: undefined }
}

function statusAt(state: TaskState, seconds: number): StreamResponse {
  const { status } = taskAt(state, seconds)
  const value = { taskId: 't-1', contextId: 'c-1', status, metadata: undefined }
  return { payload: { $case: 'statusUpdate', value } }
}

describe('what came first', () => {
  it('an answer to a look is newer than what was known when it was asked for, whatever its time', () => {
    for (const ahead of [30, 120]) {
      const view = new TaskView(taskAt(working, ahead), time)
      expect(view.take(taskAt(asking, 0), view.revision)).toBe(true)
      expect(view.isWaiting).toBe(true)
    }
  })

  it('an answer that was overtaken on its way is dropped if it is older', () => {
    const view = new TaskView(taskAt(working, -20), time)
    const asked = view.revision
    expect(view.takeEvent(statusAt(asking, -5))).toBe(true)
    expect(view.take(taskAt(working, -10), asked)).toBe(false)
    expect(view.isWaiting).toBe(true)
    expect(view.take(taskAt(working, -1), asked)).toBe(true)
  })

  it('an event of a stream that is older than what is known is dropped', () => {
    const view = new TaskView(taskAt(asking, -5), time)
    expect(view.takeEvent(statusAt(working, -10))).toBe(false)
    expect(view.takeEvent({ payload: { $case: 'task', value: taskAt(working, -10) } })).toBe(false)
    expect(view.isWaiting).toBe(true)
  })

  it('a time more than a minute ahead of our clock makes nothing old', () => {
    const ahead = new TaskView(taskAt(working, 61), time)
    expect(ahead.takeEvent(statusAt(asking, 0))).toBe(true)
    const within = new TaskView(taskAt(working, 59), time)
    expect(within.takeEvent(statusAt(asking, 0))).toBe(false)
  })

  it('a child asks what a peer asks whose clock was ahead', async () => {
    const { url } = await lyingPeer((_request, response, body) => {
      const { method } = JSON.parse(body) as { method: string }
      const status = (state: string, ms: number) => ({
        ...{ state, timestamp: new Date(Date.now() + ms).toISOString() },
        message: { messageId: 'q', role: 'ROLE_AGENT', parts: [{ text: 'which?' }] },
      })
      if (method === 'SendMessage')
        result(response, body, { task: { id: 't-1', status: status('TASK_STATE_WORKING', 120_000) } })
      else result(response, body, { id: 't-1', status: status('TASK_STATE_INPUT_REQUIRED', 0) })
    })
    const delegator = await openOnPeer(url, { cancelTimeoutSeconds: 0.1 })
    const id = await start(delegator, 'do it')
    await eventually(async () => (await delegator.get(id)).children[0]?.question !== undefined)
    await delegator.interrupt(id)
  })
})

describe('ids that are no ids', () => {
  const long = 'x'.repeat(1_001)
  const state = 'TASK_STATE_COMPLETED'
  const answers: readonly (readonly [string, unknown])[] = [
    ['of a task', { task: { id: long, status: { state } } }],
    ['of a task, larger than any result', { task: { id: 'x'.repeat(2_000_000), status: { state } } }],
    ['of its context', { task: { id: 't-1', contextId: long, status: { state } } }],
    [
      'of its message',
      { task: { id: 't-1', status: { state, message: { messageId: long, role: 'ROLE_AGENT', parts: [] } } } },
    ],
    ['of a message', { message: { messageId: long, role: 'ROLE_AGENT', parts: [{ text: 'a' }] } }],
    [
      'of the context of a message',
      { message: { messageId: 'm', contextId: long, role: 'ROLE_AGENT', parts: [{ text: 'a' }] } },
    ],
  ]
  it.each(answers)('%s end the child, and the message counts', async (_name, answer) => {
    const { url } = await lyingPeer((_request, response, body) => result(response, body, answer))
    const event = await delegate(url, 'do it')
    expect(event).toMatchObject({ status: 'failed', failure_reason: 'PEER_RESPONSE', api_calls: 1 })
  })
})
