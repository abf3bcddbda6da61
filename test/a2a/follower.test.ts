import { TaskState, type Task } from '@a2a-js/sdk'
import { expect, it } from 'vitest'
import { createFollower, type Follower } from '../../src/a2a/follower.js'
import type { PeerConnection } from '../../src/a2a/peer-client.js'
import type { PeerSettings } from '../../src/a2a/peer-options.js'
import { systemTime } from '../../src/a2a/peer-time.js'
import { createBreaker } from '../../src/a2a/retry.js'
import { TaskView } from '../../src/a2a/task-view.js'
import { gate } from '../runtime/support.js'
import { eventually } from './support.js'

const task = (state: TaskState, id = 't-1'): Task => ({
  id,
  contextId: 'c-1',
  status: { state, timestamp: undefined, message: undefined },
  artifacts: [],
  history: [],
  metadata: undefined,
})

/** Of a follower whose next look, without a hint, is far away. */
function followerOf(client: object): Follower {
  const connection = { client: () => Promise.resolve(client) } as unknown as PeerConnection
  const settings = { poll: { initialMs: 600_000, maxMs: 600_000 }, lostAfterSeconds: 600, maxStreams: 0 }
  return createFollower(
    connection,
    createBreaker(systemTime),
    settings as unknown as PeerSettings,
    systemTime,
  )
}

it('a push that comes while a look is under way makes it look once more', async () => {
  const answer = gate<Task>()
  const begun = gate()
  let looks = 0
  const get = (): Promise<Task> => {
    looks += 1
    if (looks > 1) return Promise.resolve(task(TaskState.TASK_STATE_COMPLETED))
    begun.open()
    return answer.promise
  }
  const client = { card: { streaming: false }, get }
  const follower = followerOf(client)
  const view = new TaskView(task(TaskState.TASK_STATE_WORKING), systemTime)
  const followed = follower.follow(
    view,
    () => undefined,
    () => undefined,
  )
  followed.hurry()
  await begun.promise
  followed.hurry()
  answer.open(task(TaskState.TASK_STATE_WORKING))
  await expect.poll(() => view.isTerminal).toBe(true)
  expect([looks, follower.size]).toEqual([2, 0])
})

it('a list tells of every task that is followed by then, also of those that were not due, or sent, when it was asked', async () => {
  const answer = gate()
  const begun = gate()
  const { TASK_STATE_WORKING: working, TASK_STATE_COMPLETED: completed } = TaskState
  const status = (state: TaskState) => ({
    status: { state, timestamp: '2026-01-01T00:00:00Z', message: undefined },
  })
  const list = async () => {
    begun.open()
    await answer.promise
    const ids = ['a', 'b', 'c', 'd', 'late', 'of another']
    return { tasks: ids.map((id) => ({ ...task(completed, id), ...status(completed) })), next: '' }
  }
  const get = () => Promise.reject(new Error('no task is looked at by itself'))
  const client = { card: { streaming: false, version: '1.0' }, get, list }
  const follower = followerOf(client)
  const ended: string[] = []
  const follow = (id: string) => {
    const view = new TaskView({ ...task(working, id), ...status(working) }, systemTime)
    return follower.follow(
      view,
      () => ended.push(id),
      () => undefined,
    )
  }
  for (const each of ['a', 'b', 'c', 'd'].map(follow)) each.hurry()
  await begun.promise
  follow('late')
  answer.open()
  await eventually(() => follower.size === 0)
  expect(ended).toEqual(['a', 'b', 'c', 'd', 'late'])
})

it('children that follow one task are all told by one list, and are due no more', async () => {
  let lists = 0
  const working = task(TaskState.TASK_STATE_WORKING)
  const timed = { ...working, status: { ...working.status!, timestamp: '2026-01-01T00:00:00Z' } }
  const list = () => {
    lists += 1
    return Promise.resolve({ tasks: [timed], next: '' })
  }
  const follower = followerOf({ card: { streaming: false, version: '1.0' }, list })
  const followed = Array.from({ length: 5 }, () =>
    follower.follow(
      new TaskView(timed, systemTime),
      () => undefined,
      () => undefined,
    ),
  )
  for (const each of followed) each.hurry()
  await eventually(() => lists > 0)
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  expect(lists).toBe(1)
  for (const each of followed) each.stop()
})

it('a list goes on only while what it shows is news', async () => {
  let pages = 0
  const answered = gate()
  const at = { timestamp: '2026-01-01T00:00:00Z', message: undefined }
  const of = (id: string) => ({
    ...task(TaskState.TASK_STATE_WORKING, id),
    status: { state: TaskState.TASK_STATE_WORKING, ...at },
  })
  const list = () => {
    pages += 1
    return Promise.resolve({ tasks: [of('of another')], next: `page ${pages}` })
  }
  let looks = 0
  const get = (id: string) => {
    looks += 1
    if (looks === 4) answered.open()
    return Promise.resolve(of(id))
  }
  const follower = followerOf({ card: { streaming: false, version: '1.0' }, list, get })
  const followed = Array.from({ length: 1_000 }, (_, n) =>
    follower.follow(
      new TaskView(of(`t-${n}`), systemTime),
      () => undefined,
      () => undefined,
    ),
  )
  for (const each of followed.slice(0, 4)) each.hurry()
  await answered.promise
  expect(pages).toBe(3)
  for (const each of followed) each.stop()
})
