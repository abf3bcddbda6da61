import { expect, it } from 'vitest'
import * as z from 'zod'
import { transientMemoryStore } from '../../src/index.js'
import { createTools, type ToolSpec } from '../../src/tools/tools.js'
import { open, quick } from '../runtime/support.js'
import { openTools } from './support.js'

const spec = (name: string): ToolSpec => ({
  name,
  section: 'delegation',
  short: () => 'x',
  whenToUse: 'x',
  shell: null,
  input: z.object({}),
  run: () => Promise.resolve({}),
})

it.each([
  ['delegator', undefined],
  ['delegator', {}],
  ['sessionKey', undefined],
  ['sessionKey', null],
  ['sessionKey', 7],
  ['onRefusal', 'inlin'],
  ['acceptsLaterResults', 'no'],
  ['dispatchNote', 5],
  ['more', {}],
  ['more', [{ name: 'x' }]],
  ['more', [spec('delegate_task')]],
  ['more', [spec('mine'), spec('mine')]],
  ['child', { depth: 0, delegate: () => undefined }],
  ['child', { depth: 1 }],
  ['peers', { list: () => [] }],
  ['memory', {}],
])('%s as %j is refused by its name', async (option, value) => {
  const delegator = await open({ runner: quick })
  const make = () => createTools({ delegator, [option]: value })
  expect(make).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }) as Error)
  expect(make).toThrow(new RegExp(`option: ${option}, given: .+, expected: `))
})

it.each([undefined, 7, Promise.resolve('s1'), {}])(
  'a session key that turns out as %s opens nothing',
  async (key) => {
    const memory = { store: transientMemoryStore() }
    const tools = await openTools({ sessionKey: (() => key) as never, memory })
    for (const [name, input] of [
      ['delegate_task', { goal: 'g' }],
      ['commit_memory', { content: 'mine' }],
      ['recall_memory', {}],
    ] as const) {
      const { isError, data } = await tools.call(name, input)
      expect(isError).toBe(true)
      expect(data).toEqual({ error: `${name} requires a parent agent context.` })
    }
    expect(await tools.delegator.list()).toEqual([])
  },
)
