/** Our own workspaces, and what is known of peers: who listed them, and what they are called (M53, M70). */
import type { JsonObject } from '../runner.js'
import { textIn } from './peer-reply.js'

export interface Sources {
  readonly own: string
  readonly all: readonly string[]
  /** The given one, else the one that last listed the target, else our own. Null for one that is none of ours. */
  sourceFor(target: string, given: string | undefined): string | null
  listed(source: string, peers: readonly JsonObject[]): void
  named(target: string, name: string): void
  /** Of a peer without one, the first 8 characters of its id. */
  nameOf(target: string): string
}

export function createSources(ids: readonly [string, ...string[]]): Sources {
  const listedBy = new Map<string, string>()
  const names = new Map<string, string>()
  const [own] = ids
  return {
    own,
    all: ids,
    sourceFor(target, given) {
      // The name of a source and its bearer belong together: for another name there would be none.
      if (given !== undefined && given !== '') return ids.includes(given) ? given : null
      return listedBy.get(target) ?? own
    },
    listed(source, peers) {
      for (const peer of peers) {
        const id = textIn(peer, 'id')
        if (id === null) continue
        listedBy.set(id, source)
        const name = textIn(peer, 'name')
        if (name !== null) names.set(id, name)
      }
    },
    named: (target, name) => void names.set(target, name),
    nameOf: (target) => names.get(target) ?? target.slice(0, 8),
  }
}
