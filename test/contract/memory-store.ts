/** What every memory store promises; each implementation runs it. */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { MemorySpace, MemoryStore, MemoryStoreOptions } from '../../src/index.js'
import { codeOf } from '../runtime/support.js'

const local: MemorySpace = { scope: 'LOCAL', owner: 's1' }
const others: MemorySpace = { scope: 'LOCAL', owner: 's2' }
const global: MemorySpace = { scope: 'GLOBAL', owner: '' }

export function memoryStoreContract(
  name: string,
  make: (options: MemoryStoreOptions) => Promise<MemoryStore>,
): void {
  async function opened(contents: readonly string[] = []): Promise<MemoryStore> {
    let seconds = 1_000
    const store = await make({ now: () => (seconds += 1) })
    onTestFinished(() => store.close())
    for (const content of contents) await store.commit(local, content)
    return store
  }
  const textsOf = async (
    store: MemoryStore,
    query: string,
    spaces: readonly MemorySpace[] = [local],
    limit = 10,
  ) => (await store.recall({ spaces, query, limit })).map(({ content }) => content)

  describe(`a memory store, ${name}`, () => {
    it('gives back what was committed, with when and where', async () => {
      const store = await opened()
      const kept = await store.commit(local, 'The user likes tea.')
      expect(kept).toMatchObject({ scope: 'LOCAL', content: 'The user likes tea.', committed_at: 1_001 })
      expect(kept.id).toMatch(/^mem_/)
      expect(await store.recall({ spaces: [local], query: 'tea', limit: 10 })).toEqual([kept])
    })

    it('finds any of the words, in any case, with or without accents, at the beginning of a word', async () => {
      const contents = [
        'Die Datenbank heißt Ägir',
        'the servers are in Zürich',
        'deploys on Fridays, port 8080',
      ]
      const store = await opened(contents)
      expect(await textsOf(store, 'which SERVER?')).toEqual([contents[1]])
      expect(await textsOf(store, 'zurich')).toEqual([contents[1]])
      expect(await textsOf(store, 'agir')).toEqual([contents[0]])
      expect(await textsOf(store, '8080')).toEqual([contents[2]])
      expect(await textsOf(store, 'bank')).toEqual([])
      expect((await textsOf(store, 'datenbank deploy')).sort()).toEqual([contents[0], contents[2]])
    })

    it('finds words of scripts without spaces', async () => {
      const store = await opened(['用户喜欢绿茶', 'ユーザーは東京にいます'])
      expect(await textsOf(store, '绿茶')).toEqual(['用户喜欢绿茶'])
      expect(await textsOf(store, '東京')).toEqual(['ユーザーは東京にいます'])
    })

    it('puts first what fits better, and of what fits alike the newest', async () => {
      const store = await opened(['red lamp', 'green table', 'red table', 'blue chair'])
      expect((await textsOf(store, 'red table'))[0]).toBe('red table')
      expect(await textsOf(store, '')).toEqual(['blue chair', 'red table', 'green table', 'red lamp'])
      expect(await textsOf(store, ' ', [local], 2)).toEqual(['blue chair', 'red table'])
      const twins = await opened(['oak one', 'oak two'])
      expect(await textsOf(twins, 'oak')).toEqual(['oak two', 'oak one'])
    })

    it.each([
      'NOT',
      'tea AND NOT coffee OR',
      '"tea',
      'tea*',
      'content:tea',
      'NEAR(tea coffee, 2)',
      "tea'; DROP TABLE memories; --",
      '^tea + {a b}: -tea',
      '\\ \0 tea',
    ])('takes %j for words', async (query) => {
      const store = await opened(['tea, not coffee'])
      expect(await textsOf(store, query)).toEqual(['tea, not coffee'])
    })

    it('a query without a word in it finds nothing, and one of very many words counts the first 32', async () => {
      const store = await opened(['tea'])
      expect(await textsOf(store, '"*" ( ) :')).toEqual([])
      const many = Array.from({ length: 5_000 }, (_, index) => `word${index}`).join(' ')
      expect(await textsOf(store, `${many} tea`)).toEqual([])
      expect(await textsOf(store, `tea ${many}`)).toEqual(['tea'])
    })

    it('keeps spaces apart, of scopes and of owners', async () => {
      const store = await opened(['mine: tea'])
      await store.commit(others, 'theirs: tea')
      await store.commit(global, 'all: tea')
      await store.commit({ scope: 'TEAM', owner: 's1' }, 'team: tea')
      expect(await textsOf(store, 'tea')).toEqual(['mine: tea'])
      expect((await textsOf(store, 'tea', [local, global])).sort()).toEqual(['all: tea', 'mine: tea'])
      expect(await textsOf(store, '', [others])).toEqual(['theirs: tea'])
      expect(await textsOf(store, 'tea', [])).toEqual([])
      expect(await textsOf(store, '', [{ scope: 'GLOBAL', owner: 's1' }])).toEqual([])
    })

    it('the same text in the same space is one memory, and counts as new', async () => {
      const store = await opened(['first', 'second'])
      const again = await store.commit(local, 'first')
      expect(again.committed_at).toBe(1_003)
      expect(await store.recall({ spaces: [local], query: '', limit: 10 })).toMatchObject([
        { id: again.id, content: 'first' },
        { content: 'second' },
      ])
      expect(await textsOf(store, 'first')).toEqual(['first'])
    })

    it('a text over 8,000 characters is refused, and nothing of it stays', async () => {
      const store = await opened()
      expect(await codeOf(store.commit(local, 'x'.repeat(8_001)))).toBe('MEMORY_TOO_LONG')
      expect(await textsOf(store, '')).toEqual([])
      await store.commit(local, 'x'.repeat(8_000))
    })

    it('10,000 memories are the most of one space; one that is there may be committed again', async () => {
      const store = await opened()
      const commits = Array.from({ length: 10_000 }, (_, index) => store.commit(local, `number ${index}`))
      await Promise.all(commits)
      expect(await codeOf(store.commit(local, 'one more'))).toBe('MEMORY_FULL')
      expect((await store.commit(local, 'number 0')).content).toBe('number 0')
      expect((await store.commit(others, 'one more')).content).toBe('one more')
      expect(await textsOf(store, 'more', [local])).toEqual([])
    })

    it('a closed store says so', async () => {
      const store = await opened()
      await store.close()
      await store.close()
      expect(await codeOf(store.commit(local, 'x'))).toBe('LEDGER_CLOSED')
      expect(await codeOf(store.recall({ spaces: [local], query: '', limit: 1 }))).toBe('LEDGER_CLOSED')
    })
  })
}
