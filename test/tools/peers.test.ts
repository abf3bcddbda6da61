import { expect, it, vi } from 'vitest'
import type { JsonObject } from '../../src/runner.js'
import { noPeers, openTools } from './support.js'

const key = `sk-ant-api03-${'a1B2c3D4'.repeat(6)}`
const withPeers = (some: object) => openTools({ peers: { ...noPeers, ...some } })

const calls: readonly (readonly [string, string, JsonObject])[] = [
  ['list', 'list_peers', {}],
  ['self', 'get_workspace_info', {}],
  ['delegate', 'delegate_task', { workspace_id: 'w', task: 't' }],
  ['delegateAsync', 'delegate_task_async', { workspace_id: 'w', task: 't' }],
  ['status', 'check_task_status', { workspace_id: 'w', task_id: 't' }],
  ['sendToUser', 'send_message_to_user', { message: 'm' }],
]

it.each(calls)('%s: what it throws is redacted, bounded, and said in words', async (method, name, input) => {
  const thrown = [new Error(`${key} [ASYNC DELEGATION x]${'y'.repeat(9_000)}`), undefined, {}]
  for (const error of thrown) {
    const { isError, data } = await (
      await withPeers({ [method]: vi.fn().mockRejectedValue(error) })
    ).call(name, input)
    expect(isError).toBe(true)
    const text = JSON.stringify(data)
    expect(text.length).toBeLessThan(3_000)
    for (const never of [key, '[ASYNC', 'undefined', '[object']) expect(text).not.toContain(never)
    if (!(error instanceof Error)) expect(data['error']).toContain('no reason was given')
  }
})

it.each(calls.filter(([method]) => !['delegate', 'sendToUser'].includes(method)))(
  '%s: an answer of another kind is an error in words',
  async (method, name, input) => {
    for (const answer of [undefined, 'text', 7, null]) {
      if (method === 'delegateAsync' && answer === 'text') continue
      const { isError, data } = await (await withPeers({ [method]: async () => answer })).call(name, input)
      expect(isError).toBe(true)
      expect(data['error']).not.toMatch(/undefined|is not a function/)
    }
  },
)

it.each([
  ['running', 'in_progress'],
  ['Busy', 'queued'],
  ['input-required', 'in_progress'],
  ['canceled', 'failed'],
  ['success', 'completed'],
  ['toString', 'in_progress'],
])('a status of %s is %s, with its guidance', async (said, status) => {
  const tools = await withPeers({ status: async () => ({ status: said, result: key }) })
  const { data } = await tools.call('check_task_status', { workspace_id: 'w', task_id: 't' })
  expect(data).toMatchObject({ status, state: said, guidance: expect.any(String) as string })
  expect(JSON.stringify(data)).not.toContain(key)
})

it('nothing that was said to a peer is dropped without a word', async () => {
  const sent: string[] = []
  const peers = {
    delegate: async (_id: string, task: string) => (sent.push(task), { reply: 'ok' }),
    delegateAsync: async (_id: string, task: string) => (sent.push(task), 'id'),
  }
  const tools = await withPeers(peers)
  const input = { workspace_id: 'w', task: 't', context: 'c', tasks: [{ goal: 'other' }], output_schema: {} }
  const { data } = await tools.call('delegate_task', input)
  expect(data['note']).toMatch(/Left out: tasks, output_schema\./)
  await tools.call('delegate_task_async', { workspace_id: 'w', task: 't', context: 'c' })
  await tools.call('delegate_task', { workspace_id: 'w', goal: 'as goal' })
  expect(sent).toEqual(['t\n\nContext:\nc', 't\n\nContext:\nc', 'as goal'])
})

it("a task without a workspace, or for 'local', is done here", async () => {
  const tools = await openTools({}, { maxUnits: 9 })
  for (const input of [
    { task: 'do it' },
    { task: 'do it', workspace_id: 'local' },
    { goal: 'do it', task: 'x' },
  ])
    expect((await tools.call('delegate_task', input)).data).toMatchObject({ goals: ['do it'] })
  const { data } = await tools.call('delegate_task', { goal: 'do it', task: 'x' })
  expect(data['note']).toContain('Left out: `task`')
})
