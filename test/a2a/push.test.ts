import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { openPushEar, pushReceiver, type PushEar } from '../../src/a2a/push.js'
import { eventually } from './support.js'

const token = 'a-token-of-the-receiver'

/** Sends a push as version 1.0 does; resolves with its status. */
async function startReceiver(): Promise<(taskId: string) => Promise<number>> {
  const server = createServer(pushReceiver({ token }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return async (taskId) => {
    const body = JSON.stringify({ statusUpdate: { taskId } })
    const headers = { 'x-a2a-notification-token': token }
    return (await fetch(url, { method: 'POST', body, headers })).status
  }
}

function openEar(): PushEar {
  const ear = openPushEar()
  onTestFinished(() => ear.close())
  return ear
}

it('what is said of a task before its name is known is heard once the name is', async () => {
  const push = await startReceiver()
  const [early, other] = [openEar(), openEar()]
  const heard: string[] = []
  other.listen('other', () => heard.push('other'))
  expect(await push('early')).toBe(204)
  expect(await push('other')).toBe(204)
  // Pushes are heard in their order.
  await eventually(() => heard.length === 1)
  early.listen('early', () => heard.push('early'))
  expect(heard).toEqual(['other', 'early'])
  await push('early')
  await eventually(() => heard.length === 3)
  expect(heard).toEqual(['other', 'early', 'early'])
})

it('an ear that is closed hears nothing, and nothing is kept for one that opens later', async () => {
  const push = await startReceiver()
  const heard: string[] = []
  const [closed, open] = [openPushEar(), openEar()]
  closed.listen('task', () => heard.push('closed'))
  closed.close()
  open.listen('open', () => heard.push('open'))
  await push('task')
  await push('open')
  await eventually(() => heard.length === 1)
  open.close()
  openEar().listen('task', () => heard.push('late'))
  expect(heard).toEqual(['open'])
})

it('what is longer than any id is about no task, and is kept by nobody', async () => {
  const push = await startReceiver()
  const heard: string[] = []
  const [ear, late] = [openEar(), openEar()]
  ear.listen('task', () => heard.push('task'))
  const long = 'x'.repeat(1_001)
  await push(long)
  await eventually(() => heard.length === 1)
  late.listen(long, () => heard.push('late'))
  expect(heard).toEqual(['task'])
})

it('of two that listen for one task, the one that ends takes nothing from the other', async () => {
  const push = await startReceiver()
  const heard: string[] = []
  const [first, second] = [openPushEar(), openEar()]
  first.listen('task', () => heard.push('first'))
  second.listen('task', () => heard.push('second'))
  first.close()
  await push('task')
  await eventually(() => heard.length === 1)
  expect(heard).toEqual(['second'])
})
