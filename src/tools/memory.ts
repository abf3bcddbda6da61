/** What a model keeps for later conversations, in three scopes with permissions of their own. */
import * as z from 'zod'
import { redact, type MemoryScope, type MemorySpace, type MemoryStore } from '../index.js'
import type { JsonObject } from '../runner.js'
import { shownText } from './shown-results.js'
import { textOf, ToolProblem, type ToolHost, type ToolSpec } from './tool-spec.js'

export type MemoryPermission = 'read-write' | 'read' | 'write' | 'none'

export interface MemoryOptions {
  /** Who opens it closes it. */
  readonly store: MemoryStore
  /** Whose TEAM memories they are. @defaultValue `''`: one team of all who share the store and name none */
  readonly team?: string
  /** @defaultValue LOCAL and TEAM 'read-write', GLOBAL 'read' */
  readonly permissions?: Readonly<Partial<Record<MemoryScope, MemoryPermission>>>
}

const scopes = ['LOCAL', 'TEAM', 'GLOBAL'] as const
const defaultPermissions = { LOCAL: 'read-write', TEAM: 'read-write', GLOBAL: 'read' } as const
/** Of one answer: each may be 8,000 characters. */
const shownMemories = 10

export const commitMemory: ToolSpec = {
  name: 'commit_memory',
  section: 'memory',
  isHostsOnly: true,
  short: () => 'Keep a fact for later conversations.',
  whenToUse:
    'Use it for what will matter again: decisions, preferences, where things are. One fact in one memory, complete in itself. ' +
    'LOCAL is for this conversation alone, TEAM for all of your team, GLOBAL for everyone. No passwords, no keys.',
  shell: null,
  input: z.object({
    content: z.string().describe('The fact, at most 8000 characters.'),
    scope: z.enum(scopes).optional().describe('LOCAL (default), TEAM or GLOBAL.'),
  }),
  async run({ content, scope: asked }, host) {
    const { store } = memoryOf(host)
    const scope = (textOf(asked) ?? 'LOCAL') as MemoryScope
    if (!isPermitted(scope, 'write', host)) throw denied(scope, 'write', host)
    const given = textOf(content)
    if (given === null) throw new ToolProblem("'content' is required.")
    const kept = redact(given)
    const { id } = await store.commit(spaceOf(scope, host), kept)
    const note = 'What looked like a secret was left out of it.'
    return { success: true, memory_id: id, scope, ...(kept !== given && { note }) }
  },
}

export const recallMemory: ToolSpec = {
  name: 'recall_memory',
  section: 'memory',
  isHostsOnly: true,
  short: () => `Search what was kept by commit_memory; the ${shownMemories} memories that fit best.`,
  whenToUse:
    'Use it before you ask the user for what they may have told you earlier. Give words that stand in the memory; without a ' +
    'query you get the newest. Without a scope you get all that you may read.',
  shell: null,
  input: z.object({
    query: z.string().optional().describe('Words to look for. Default: the newest memories.'),
    scope: z
      .enum([...scopes, ''])
      .optional()
      .describe('LOCAL, TEAM or GLOBAL. Default: all that you may read.'),
  }),
  async run({ query, scope: asked }, host) {
    const { store } = memoryOf(host)
    const scope = textOf(asked) as MemoryScope | null
    const readable = scopes.filter((each) => isPermitted(each, 'read', host))
    const wanted = readable.filter((each) => scope === null || scope === each)
    if (wanted.length === 0) throw denied(scope ?? 'any', 'read', host)
    const found = await store.recall({
      spaces: wanted.map((each) => spaceOf(each, host)),
      query: typeof query === 'string' ? query : '',
      limit: shownMemories,
    })
    const memories = found.map(({ id, content, ...memory }) => ({
      memory_id: id,
      ...memory,
      content: shownText(content),
    }))
    return { count: memories.length, memories }
  },
}

/** @throws {ToolProblem} */
function memoryOf({ memory }: ToolHost): MemoryOptions {
  if (memory !== null) return memory
  throw new ToolProblem('No memory configured: nothing can be kept for later here. Go on without it.', {
    code: 'NO_MEMORY',
  })
}

/** Fails closed: a word that is none of the four permits nothing. */
function isPermitted(scope: MemoryScope, action: 'read' | 'write', host: ToolHost): boolean {
  const permission = { ...defaultPermissions, ...memoryOf(host).permissions }[scope]
  return permission === action || permission === 'read-write'
}

/** M9: names the permission that is missing. Nothing was kept, or read. */
function denied(scope: MemoryScope | 'any', action: 'read' | 'write', host: ToolHost): ToolProblem {
  const open = scopes.filter((each) => isPermitted(each, action, host))
  const others =
    open.length === 0 ? 'No scope is' : `${open.join(' and ')} ${open.length === 1 ? 'is' : 'are'}`
  const facts: JsonObject = { code: 'MEMORY_DENIED', permission: `memory.${action}`, scope }
  return new ToolProblem(
    `You may not ${action} ${scope} memory here (missing permission: memory.${action}). ${others} open to you.`,
    facts,
  )
}

function spaceOf(scope: MemoryScope, host: ToolHost): MemorySpace {
  const owners = { LOCAL: host.sessionKey(), TEAM: memoryOf(host).team ?? '', GLOBAL: '' }
  return { scope, owner: owners[scope] }
}
