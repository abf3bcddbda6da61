import * as z from 'zod'
import type { JsonObject } from '../runner.js'
import type { PeerDirectory } from './peer-directory.js'
import { shownResult } from './shown-results.js'
import { textOf, ToolProblem, type ToolHost, type ToolSpec } from './tool-spec.js'

/** @throws {ToolProblem} */
export function peersOf({ peers }: ToolHost): PeerDirectory {
  if (peers !== null) return peers
  throw new ToolProblem(
    'No peers configured: there is no other workspace to reach from here. Use delegate_task with a goal for a subagent, or ' +
      'do it yourself.',
    { code: 'NO_PEERS' },
  )
}

/** M64: what a model is told when a peer fails, with what it can do. */
export async function toPeer<T>(workspaceId: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    const raw = shownResult(error instanceof Error ? error.message : String(error)) as string
    throw new ToolProblem(
      `DELEGATION FAILED to ${workspaceId}: ${raw}\n` +
        'Do not pass this error on as it is. You can: 1. try another peer (list_peers); 2. do the work yourself; 3. tell the ' +
        'user which peer is unavailable, and give your best answer.',
    )
  }
}

export async function delegateToPeer(
  workspaceId: string,
  task: string | null,
  host: ToolHost,
): Promise<JsonObject> {
  const peers = peersOf(host)
  if (task === null) throw new ToolProblem("A peer needs a 'task' beside 'workspace_id'.")
  const reply = await toPeer(workspaceId, () => peers.delegate(workspaceId, task, host.signal))
  return shownResult(reply) as JsonObject
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
    const peers = await peersOf(host).list()
    return { count: peers.length, peers: shownResult(peers) }
  },
}

export const getWorkspaceInfo: ToolSpec = {
  name: 'get_workspace_info',
  section: 'peers',
  short: () => 'Tell your own workspace: id, name, role and state.',
  whenToUse: 'Use it when you have to say who you are, or where you stand among the others.',
  shell: null,
  input: none,
  run: (_input, host) => peersOf(host).self(),
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
    await peers.sendToUser(text, paths)
    return { success: true }
  },
}
