/** Memories for as long as the process lives. */
import { randomUUID } from 'node:crypto'
import { DelegationError } from '../core/errors.js'
import {
  checkContent,
  checkRoom,
  machineNow,
  spaceKey,
  type Memory,
  type MemorySelect,
  type MemorySpace,
  type MemoryStore,
  type MemoryStoreOptions,
} from './memory-store.js'
import { wordsOf, wordsOfQuery } from './words.js'

interface Kept {
  readonly memory: Memory
  readonly words: readonly string[]
}

/** A store without a file, for hosts whose ledger is in memory. Nothing of it outlives the process. */
export function transientMemoryStore({ now = machineNow }: MemoryStoreOptions = {}): MemoryStore {
  /** By space, and there by content; in the order in which they were committed. */
  const spaces = new Map<string, Map<string, Kept>>()
  let isClosed = false

  function commit(space: MemorySpace, content: string): Memory {
    checkContent(content)
    const kept = spaces.get(spaceKey(space)) ?? new Map<string, Kept>()
    const known = kept.get(content)
    if (known === undefined) checkRoom(kept.size, space)
    const id = known?.memory.id ?? `mem_${randomUUID()}`
    const memory: Memory = { id, scope: space.scope, content, committed_at: now() }
    kept.delete(content)
    kept.set(content, { memory, words: wordsOf(content) })
    spaces.set(spaceKey(space), kept)
    return memory
  }

  function recall({ spaces: asked, query, limit }: MemorySelect): readonly Memory[] {
    const words = wordsOfQuery(query)
    return asked
      .flatMap((space) => [...(spaces.get(spaceKey(space))?.values() ?? [])].reverse())
      .map((kept) => ({ memory: kept.memory, fit: fitOf(words, kept.words) }))
      .filter(({ fit }) => fit > 0 || query.trim() === '')
      .sort((a, b) => b.fit - a.fit || b.memory.committed_at - a.memory.committed_at)
      .slice(0, limit)
      .map(({ memory }) => memory)
  }

  /** What a step throws rejects its promise. */
  function whileOpen<T>(step: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (isClosed) throw new DelegationError('LEDGER_CLOSED')
      resolve(step())
    })
  }

  return {
    commit: (space, content) => whileOpen(() => commit(space, content)),
    recall: (select) => whileOpen(() => recall(select)),
    close() {
      isClosed = true
      spaces.clear()
      return Promise.resolve()
    },
  }
}

/** How many words of the query are there. */
function fitOf(query: readonly string[], words: readonly string[]): number {
  return query.filter((asked) => words.some((word) => word.startsWith(asked))).length
}
