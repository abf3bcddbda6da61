import { describe, expect, it } from 'vitest'
import { transientMemoryStore, type MemoryStore } from '../../src/index.js'
import type { MemoryOptions } from '../../src/tools/tools.js'
import { openTools } from './support.js'

const withMemory = (memory: Partial<MemoryOptions> = {}, store: MemoryStore = transientMemoryStore()) =>
  ({ memory: { store, ...memory } }) as const
const contentsOf = (data: unknown) =>
  (data as { memories: readonly { content: string }[] }).memories.map(({ content }) => content)

describe('commit_memory and recall_memory', () => {
  it('what was kept is found again, by this session alone; without a query the newest', async () => {
    const { memory } = withMemory()
    const tools = await openTools({ memory })
    const { isError, data } = await tools.call('commit_memory', { content: 'The user likes tea.' })
    expect(isError).toBe(false)
    expect(data).toEqual({
      success: true,
      memory_id: expect.stringMatching(/^mem_/) as string,
      scope: 'LOCAL',
    })
    await tools.call('commit_memory', { content: 'Deploys are on Fridays.', scope: 'local' })
    const recalled = await tools.call('recall_memory', { query: 'tea' })
    expect(recalled.data).toEqual({
      count: 1,
      memories: [
        {
          memory_id: data['memory_id'],
          scope: 'LOCAL',
          content: 'The user likes tea.',
          committed_at: expect.any(Number) as number,
        },
      ],
    })
    expect(contentsOf((await tools.call('recall_memory', { scope: '' })).data)).toHaveLength(2)
    const other = await openTools({ memory, sessionKey: 's2' })
    expect((await other.call('recall_memory', {})).data).toEqual({ count: 0, memories: [] })
  })

  it('TEAM is shared by a team, and by no other; GLOBAL, which the host has written, by all', async () => {
    const store = transientMemoryStore()
    await store.commit({ scope: 'GLOBAL', owner: '' }, 'the company is closed on Sundays')
    const red = (sessionKey: string) => openTools({ sessionKey, memory: { store, team: 'red' } })
    await (await red('s1')).call('commit_memory', { content: 'red uses tabs', scope: 'TEAM' })
    await (await red('s1')).call('commit_memory', { content: 's1 alone' })
    expect(contentsOf((await (await red('s2')).call('recall_memory', {})).data).sort()).toEqual([
      'red uses tabs',
      'the company is closed on Sundays',
    ])
    const blue = await openTools({ sessionKey: 's1', memory: { store, team: 'blue' } })
    expect(contentsOf((await blue.call('recall_memory', { scope: 'TEAM' })).data)).toEqual([])
  })

  it('a denial is data that names the permission, and nothing is kept', async () => {
    const store = transientMemoryStore()
    const tools = await openTools(withMemory({}, store))
    expect(await tools.call('commit_memory', { content: 'x', scope: 'GLOBAL' })).toEqual({
      isError: true,
      data: {
        error:
          'You may not write GLOBAL memory here (missing permission: memory.write). LOCAL and TEAM are open to you.',
        code: 'MEMORY_DENIED',
        permission: 'memory.write',
        scope: 'GLOBAL',
      },
    })
    const global = { spaces: [{ scope: 'GLOBAL', owner: '' } as const], query: '', limit: 1 }
    expect(await store.recall(global)).toEqual([])
  })

  it('permissions: each scope has its own, recall without a scope reads what may be read, and what is unknown is nothing', async () => {
    const store = transientMemoryStore()
    const all = { LOCAL: 'read-write', TEAM: 'read-write', GLOBAL: 'read-write' } as const
    const admin = await openTools(withMemory({ permissions: all }, store))
    for (const scope of ['LOCAL', 'TEAM', 'GLOBAL'])
      await admin.call('commit_memory', { content: scope, scope })
    const reader = await openTools(withMemory({ permissions: { LOCAL: 'none', TEAM: 'write' } }, store))
    expect(contentsOf((await reader.call('recall_memory', {})).data)).toEqual(['GLOBAL'])
    expect((await reader.call('recall_memory', { scope: 'TEAM' })).data).toMatchObject({
      code: 'MEMORY_DENIED',
    })
    expect((await reader.call('commit_memory', { content: 'x' })).data).toMatchObject({ scope: 'LOCAL' })
    expect((await reader.call('commit_memory', { content: 'x', scope: 'TEAM' })).isError).toBe(false)
    const odd = { LOCAL: 'everything', TEAM: undefined, GLOBAL: null } as never
    const closed = await openTools(withMemory({ permissions: odd }, store))
    expect((await closed.call('recall_memory', {})).data).toMatchObject({
      code: 'MEMORY_DENIED',
      error: 'You may not read any memory here (missing permission: memory.read). No scope is open to you.',
    })
  })

  it('secrets are left out of what is kept, and of what others have kept', async () => {
    const key = `sk-${'a1B2c3D4'.repeat(6)}`
    const store = transientMemoryStore()
    const tools = await openTools(withMemory({}, store))
    const { data } = await tools.call('commit_memory', { content: `the key is ${key}` })
    expect(data['note']).toContain('secret')
    const local = { spaces: [{ scope: 'LOCAL', owner: 's1' } as const], query: '', limit: 1 }
    expect(JSON.stringify(await store.recall(local))).not.toContain(key)
    await store.commit({ scope: 'GLOBAL', owner: '' }, `shared: ${key}`)
    expect(JSON.stringify((await tools.call('recall_memory', {})).data)).not.toContain(key)
  })

  it.each([
    ['commit_memory', {}, "'content' is required."],
    ['commit_memory', { content: '  ' }, "'content' is required."],
    [
      'commit_memory',
      { content: 'x', scope: 'PUBLIC' },
      `'scope' must be one of LOCAL, TEAM, GLOBAL, got "PUBLIC".`,
    ],
    ['recall_memory', { query: ['a'] }, "'query' must be a string, got array."],
  ])('%s of %j is an error', async (name, input, error) => {
    expect((await (await openTools(withMemory())).call(name, input)).data['error']).toBe(error)
  })

  it('a text over its bound is refused with the bound; a number is a text', async () => {
    const tools = await openTools(withMemory())
    const { data } = await tools.call('commit_memory', { content: 'x'.repeat(8_001) })
    expect(data).toMatchObject({ code: 'MEMORY_TOO_LONG', error: expect.stringContaining('8000') as string })
    await tools.call('commit_memory', { content: 42 })
    expect(contentsOf((await tools.call('recall_memory', { query: 42 })).data)).toEqual(['42'])
  })

  it('no more than ten memories are one answer', async () => {
    const tools = await openTools(withMemory())
    for (let n = 0; n < 12; n += 1) await tools.call('commit_memory', { content: `fact ${n}` })
    expect((await tools.call('recall_memory', { query: 'fact' })).data['count']).toBe(10)
  })

  it('without a memory both say so, and subagents have none (spec 4.3)', async () => {
    const none = await openTools()
    for (const name of ['commit_memory', 'recall_memory'])
      expect((await none.call(name, { content: 'x' })).data).toMatchObject({ code: 'NO_MEMORY' })
    const child = { depth: 1, delegate: () => Promise.reject(new Error('called')) }
    const below = await openTools({ ...withMemory(), child })
    const names = (await below.list()).map(({ name }) => name)
    for (const name of ['commit_memory', 'recall_memory', 'send_message_to_user']) {
      expect(names).not.toContain(name)
      expect((await below.call(name, { content: 'x', message: 'x' })).data).toEqual({
        error: `${name} is not for subagents.`,
      })
    }
    expect(names).toContain('delegate_task')
  })
})
