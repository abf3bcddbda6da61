/** One list of what changed at a peer, in place of a look at each of its tasks. */
import type { Task } from '@a2a-js/sdk'
import type { PeerClient } from './peer-client.js'
import { PeerError, peerErrorOf } from './peer-error.js'

const pageSize = 100
/** Of others' tasks that are in the way. */
const furtherPages = 2
/** Two changes may have the same time; tasks that the list leaves out are looked at by themselves, ms. */
const overlapMs = 1

export interface TaskLists {
  /** False once the peer was found to have no such list. */
  readonly mayBeAsked: boolean
  /**
   * The tasks that are due, if they are among as many as are `followed` by now and a few more, with others that changed since
   * theirs; null: the peer has no such list.
   */
  ask(client: PeerClient, due: readonly Task[], followed: () => number): Promise<readonly Task[] | null>
}

export function createTaskLists(): TaskLists {
  let mayBeAsked = true

  /** Until all of the wanted are found: other tasks of that time are not asked for. */
  async function pages(
    client: PeerClient,
    after: string,
    followed: () => number,
    due: readonly Task[],
  ): Promise<Task[]> {
    const found: Task[] = []
    const wanted = new Set(due.map(({ id }) => id))
    let token = ''
    for (let page = 0; page < Math.ceil(followed() / pageSize) + furtherPages; page += 1) {
      const { tasks, next } = await client.list(after, token)
      found.push(...tasks)
      for (const { id } of tasks) wanted.delete(id)
      if (wanted.size === 0 || next === '' || next === token) break
      token = next
    }
    return found
  }

  return {
    get mayBeAsked() {
      return mayBeAsked
    },
    async ask(client, due, followed) {
      const times = due.map(({ status }) => Date.parse(status?.timestamp ?? '')).filter(Number.isFinite)
      try {
        // Without a time of the peer's own there is nothing to ask for.
        if (client.card.version === '1.0' && times.length > 0) {
          const after = new Date(Math.min(...times) - overlapMs).toISOString()
          return await pages(client, after, followed, due)
        }
      } catch (thrown) {
        const error = peerErrorOf(thrown)
        if (error instanceof PeerError && error.isPassing) throw error
      }
      mayBeAsked = false
      return null
    },
  }
}
