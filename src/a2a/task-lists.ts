/** One list of what changed at a peer, in place of a look at each of its tasks. */
import type { Task } from '@a2a-js/sdk'
import type { PeerClient } from './peer-client.js'
import { PeerError, peerErrorOf } from './peer-error.js'

const pageSize = 100
/** Of others' tasks that are in the way. */
const furtherPages = 2
/** However much of what they tell is news. */
const mostPages = 100
/** Two changes may have the same time; tasks that the list leaves out are looked at by themselves, ms. */
const overlapMs = 1

export interface TaskLists {
  /** False once the peer was found to have no such list. */
  readonly mayBeAsked: boolean
  /**
   * Hands over what has changed since the oldest of the tasks that are due, a page at a time, until all of these are found:
   * for as many pages as they may fill and a few more, and on for as long as a page is news. False: the peer has no such
   * list.
   */
  ask(client: PeerClient, due: readonly Task[], isNews: (page: readonly Task[]) => boolean): Promise<boolean>
}

export function createTaskLists(): TaskLists {
  let mayBeAsked = true

  async function pages(
    client: PeerClient,
    after: string,
    due: readonly Task[],
    isNews: (page: readonly Task[]) => boolean,
  ): Promise<void> {
    const wanted = new Set(due.map(({ id }) => id))
    const enough = Math.ceil(due.length / pageSize) + furtherPages
    let token = ''
    for (let page = 1; page <= mostPages; page += 1) {
      const { tasks, next } = await client.list(after, token)
      const goesOn = isNews(tasks) || page < enough
      for (const { id } of tasks) wanted.delete(id)
      if (!goesOn || wanted.size === 0 || next === '' || next === token) return
      token = next
    }
  }

  return {
    get mayBeAsked() {
      return mayBeAsked
    },
    async ask(client, due, isNews) {
      const times = due.map(({ status }) => Date.parse(status?.timestamp ?? '')).filter(Number.isFinite)
      try {
        // Without a time of the peer's own there is nothing to ask for.
        if (client.card.version === '1.0' && times.length > 0) {
          await pages(client, new Date(Math.min(...times) - overlapMs).toISOString(), due, isNews)
          return true
        }
      } catch (thrown) {
        const error = peerErrorOf(thrown)
        if (error instanceof PeerError && error.isPassing) throw error
      }
      mayBeAsked = false
      return false
    },
  }
}
