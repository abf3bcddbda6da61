/** What models keep for later: the port, and its bounds. */
import { DelegationError } from '../core/errors.js'

export type MemoryScope = 'LOCAL' | 'TEAM' | 'GLOBAL'

/** Where a memory stands. */
export interface MemorySpace {
  readonly scope: MemoryScope
  /** Whose it is there: a session's, a team's; `''` where there is but one. */
  readonly owner: string
}

export interface Memory {
  readonly id: string
  readonly scope: MemoryScope
  readonly content: string
  /** Unix seconds. */
  readonly committed_at: number
}

export interface MemorySelect {
  readonly spaces: readonly MemorySpace[]
  /**
   * Words to look for; each is found at the beginning of a word, too. What has any of them is found, what fits better comes
   * first. Of more than 32 words the first count. Blank: the newest.
   */
  readonly query: string
  readonly limit: number
}

export interface MemoryStore {
  /**
   * Keeps a text. The same text in the same space is one memory, and counts as new.
   * @throws {DelegationError} MEMORY_TOO_LONG over 8,000 characters, MEMORY_FULL at 10,000 memories of one space
   */
  commit(space: MemorySpace, content: string): Promise<Memory>
  recall(select: MemorySelect): Promise<readonly Memory[]>
  close(): Promise<void>
}

export interface MemoryStoreOptions {
  /** Unix seconds. @defaultValue the machine's clock */
  readonly now?: () => number
}

export const contentCharacters = 8_000
export const memoriesPerSpace = 10_000

export const machineNow = (): number => Date.now() / 1000

/** @throws {DelegationError} MEMORY_TOO_LONG */
export function checkContent(content: string): void {
  if (content.length <= contentCharacters) return
  throw new DelegationError('MEMORY_TOO_LONG', { characters: content.length, at_most: contentCharacters })
}

/** @throws {DelegationError} MEMORY_FULL */
export function checkRoom(count: number, { scope }: MemorySpace): void {
  if (count < memoriesPerSpace) return
  throw new DelegationError('MEMORY_FULL', { scope, memories: count, at_most: memoriesPerSpace })
}

/** Names a space in one text. */
export function spaceKey({ scope, owner }: MemorySpace): string {
  return `${scope}:${owner}`
}
