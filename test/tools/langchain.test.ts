import { expect, it } from 'vitest'
import { ToolMessage } from '@langchain/core/messages'
import { langchainTools } from '../../src/tools/tools.js'
import { childRuns, polite } from '../runtime/support.js'
import { openTools } from './support.js'

async function opened(...given: Parameters<typeof openTools>) {
  const tools = await openTools(...given)
  const chain = await langchainTools(tools)
  return { tools, delegate: chain.find(({ name }) => name === 'delegate_task')! }
}

it('a call through LangChain is the same call, and answers a tool call with a message', async () => {
  const { tools, delegate } = await opened()
  const text = (await delegate.invoke({ goal: 'look' })) as string
  expect(JSON.parse(text)).toMatchObject({ status: 'dispatched', goals: ['look'] })
  const call = { type: 'tool_call', id: 'call-1', name: 'delegate_task', args: { action: 'list' } } as const
  const message = (await delegate.invoke(call)) as ToolMessage
  expect(ToolMessage.isInstance(message)).toBe(true)
  expect(message.tool_call_id).toBe('call-1')
  expect(JSON.parse(message.text)).toEqual((await tools.call('delegate_task', { action: 'list' })).data)
})

it('what does not fit the schema to the letter reaches the tool, which reads it or says what is wrong', async () => {
  const { delegate } = await opened()
  const tasks = JSON.stringify([{ goal: 'read the first file' }, { goal: 'read the second file' }])
  expect(JSON.parse((await delegate.invoke({ tasks } as never)) as string)).toMatchObject({ count: 2 })
  const text = (await delegate.invoke({ goal: ['a'] } as never)) as string
  expect(JSON.parse(text)).toEqual({ error: "'goal' must be a string, got array." })
})

it('its signal stops what the call waits for', async () => {
  const { tools, delegate } = await opened({ acceptsLaterResults: false }, { runner: polite })
  const runs = childRuns(tools.delegator)
  const aborting = new AbortController()
  const answer = delegate.invoke({ goal: 'long' }, { signal: aborting.signal }) as Promise<string>
  await runs
  aborting.abort()
  expect(JSON.parse(await answer)).toMatchObject({ results: [{ status: 'interrupted' }] })
})
