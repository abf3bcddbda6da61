import * as z from 'zod'
import { isJsonObject, type Json, type JsonObject } from '../runner.js'
import { guidance, knownWord } from './guidance.js'
import type { PeerDirectory } from './peer-directory.js'
import { kindOf } from './read-input.js'
import { shownResult, shownText } from './shown-results.js'
import { shownId, textOf, ToolProblem, type ToolHost, type ToolSpec } from './tool-spec.js'

/** @throws {ToolProblem} */
export function peersOf({ peers }: ToolHost): PeerDirectory {
  if (peers !== null) return peers
  throw new ToolProblem(
    'No peers configured: there is no other workspace to reach from here. Use delegate_task with a goal for a subagent, or ' +
      'do it yourself.',
    { code: 'NO_PEERS' },
  )
}

/** What stands for a workspace where there is none: this host's own subagents. */
export const localWorkspace = 'local'

/** Null for one's own. */
export function workspaceOf(given: Json | undefined): string | null {
  const id = textOf(given)?.trim() ?? localWorkspace
  return id.toLowerCase() === localWorkspace ? null : id
}

/** A peer takes one text. */
export function taskForPeer(task: string, context: string | null): string {
  return context === null ? task : `${task}\n\nContext:\n${context}`
}

const longestReason = 2_000

/** What a directory throws, as a model may read it: it is somebody else's words. */
function reasonOf(error: unknown): string {
  const raw = error instanceof Error ? error.message : typeof error === 'string' ? error : ''
  return shownText(raw).trim().slice(0, longestReason) || 'no reason was given'
}

/** M64: what a model is told when a peer fails, with what it can do. */
export async function toPeer<T>(workspaceId: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw new ToolProblem(
      `DELEGATION FAILED to ${shownId(workspaceId)}: ${reasonOf(error)}\n` +
        'Do not pass this error on as it is. You can: 1. try another peer (list_peers); 2. do the work yourself; 3. tell the ' +
        'user which peer is unavailable, and give your best answer.',
    )
  }
}

/** What the directory answers is checked: it is the host's code, and a peer's words. @throws {ToolProblem} */
async function asked<T>(
  what: string,
  act: () => Promise<unknown>,
  read: (given: unknown) => T | null,
): Promise<T> {
  let given: unknown
  try {
    given = await act()
  } catch (error) {
    throw new ToolProblem(`${what}: ${reasonOf(error)}`)
  }
  const value = read(given)
  if (value !== null) return value
  throw new ToolProblem(
    `${what}: the answer could not be read, it is ${given === undefined ? 'nothing' : kindOf(given)}.`,
  )
}

const objectOf = (given: unknown): JsonObject | null =>
  isJsonObject(given) ? (shownResult(given) as JsonObject) : null

export async function delegateToPeer(workspaceId: string, task: string, host: ToolHost): Promise<JsonObject> {
  const peers = peersOf(host)
  const reply: unknown = await toPeer(workspaceId, () => peers.delegate(workspaceId, task, host.signal))
  return objectOf(reply) ?? { workspace_id: shownId(workspaceId), reply: shownResult(reply) }
}

/** The id under which the peer keeps the task. */
export async function delegateToPeerAsync(
  workspaceId: string,
  task: string,
  host: ToolHost,
): Promise<string> {
  const peers = peersOf(host)
  return toPeer(workspaceId, async () => {
    const id: unknown = await peers.delegateAsync(workspaceId, task)
    if (typeof id === 'string' && id !== '' && id.length <= longestId) return id
    throw new Error('it may have been taken over, but the peer gave no id to ask for it with')
  })
}

const longestId = 500

export async function statusAtPeer(workspaceId: string, taskId: string, host: ToolHost): Promise<JsonObject> {
  const peers = peersOf(host)
  const what = `The state of the task is not known (it may be worked on; do not start it again) at ${shownId(workspaceId)}`
  const {
    status: said,
    result,
    error,
  } = await asked(
    what,
    () => peers.status(workspaceId, taskId),
    (given) => (isJsonObject(given) && typeof given['status'] === 'string' ? given : null),
  )
  const status = knownWord(said as string)
  return {
    task_id: shownId(taskId),
    workspace_id: shownId(workspaceId),
    status,
    ...(status !== said && { state: shownId(shownText(said as string)) }),
    ...(result !== undefined && { result: shownResult(result) }),
    ...(error !== undefined && { error: shownResult(error) }),
    guidance: guidance[status],
  }
}

const none = z.object({})

export const listPeers: ToolSpec = {
  name: 'list_peers',
  section: 'peers',
  short: () => 'List the workspaces that you can delegate to, with their ids and states.',
  whenToUse: 'Use it before you delegate to a peer: only those that it lists can be reached.',
  shell: null,
  input: none,
  run: async (_input, host) => {
    const known = peersOf(host)
    const listed = (given: unknown): JsonObject[] | null =>
      Array.isArray(given) ? given.map(objectOf).filter((peer) => peer !== null) : null
    const peers = await asked('The peers could not be listed', () => known.list(), listed)
    return { count: peers.length, peers }
  },
}

export const getWorkspaceInfo: ToolSpec = {
  name: 'get_workspace_info',
  section: 'peers',
  short: () => 'Tell your own workspace: id, name, role and state.',
  whenToUse: 'Use it when you have to say who you are, or where you stand among the others.',
  shell: null,
  input: none,
  run: async (_input, host) => {
    const known = peersOf(host)
    return asked('The workspace could not be read', () => known.self(), objectOf)
  },
}

export const sendMessageToUser: ToolSpec = {
  name: 'send_message_to_user',
  section: 'peers',
  isHostsOnly: true,
  short: () => "Push a message to the user's chat.",
  whenToUse:
    'Use it for what the user should see before your turn ends. Attach files by path, never as links in the text.',
  shell: null,
  input: z.object({
    message: z.string().describe('What to say.'),
    attachments: z.array(z.string()).optional().describe('Absolute paths of files.'),
  }),
  async run({ message, attachments = [] }, host) {
    const peers = peersOf(host)
    const text = textOf(message)
    if (text === null) throw new ToolProblem("'message' is required.")
    const paths = (attachments as readonly unknown[]).map((path) => {
      if (typeof path === 'string' && path.startsWith('/')) return path
      throw new ToolProblem(`An attachment is an absolute path, got ${JSON.stringify(path).slice(0, 80)}.`)
    })
    await asked(
      'The message was not sent',
      () => peers.sendToUser(text, paths),
      () => true,
    )
    return { success: true }
  },
}
