/** A stop that is one: the peer is asked to cancel, until it says that the task is over. */
import type { RunnerResult } from '../runner.js'
import type { PeerClient } from './peer-client.js'
import { PeerError, peerErrorOf } from './peer-error.js'
import { resultOfTask } from './peer-result.js'
import type { PeerTime } from './peer-time.js'
import type { TaskView } from './task-view.js'
import type { TaskWatch } from './watch-task.js'

interface Cancel {
  readonly client: () => Promise<PeerClient>
  readonly until: TaskWatch['until']
  readonly time: PeerTime
  readonly timeoutMs: number
}

const firstWaitMs = 200
const longestWaitMs = 5_000

/**
 * The task's own end, whichever it is. Goes on beyond the grace of the interrupt, so that a child whose end nobody
 * confirms is reported as unreachable, and gives up in the end.
 */
export async function cancelAtPeer(
  view: TaskView,
  { client, until, time, timeoutMs }: Cancel,
): Promise<RunnerResult> {
  const over = new AbortController()
  const stopTimer = time.after(timeoutMs, () => over.abort())
  let why = 'the peer did not say that it is over'
  try {
    for (
      let waitMs = firstWaitMs;
      !view.isTerminal && !over.signal.aborted;
      waitMs = Math.min(waitMs * 2, longestWaitMs)
    ) {
      const asked = askedTo(view, client).then((problem) => {
        if (problem !== null) why = problem
      })
      await Promise.race([asked, until(() => view.isTerminal, over.signal)])
      const enough = new AbortController()
      const stopWait = time.after(waitMs, () => enough.abort())
      await until(() => view.isTerminal, AbortSignal.any([over.signal, enough.signal]))
      stopWait()
    }
  } catch (lost) {
    why = peerErrorOf(lost).message
  } finally {
    stopTimer()
  }
  if (view.isTerminal) return resultOfTask(view, true)
  return {
    status: 'interrupted',
    exit_reason: 'unreachable',
    error: `the cancel was not confirmed within ${timeoutMs / 1000} s, and the task may go on at the peer: ${why}`,
  }
}

/** Null when the task took it. A task that cannot be canceled may be over already: then a look says how. */
async function askedTo(view: TaskView, client: () => Promise<PeerClient>): Promise<string | null> {
  const { id } = view.task
  try {
    const peer = await client()
    try {
      view.take(await peer.cancel(id))
      return null
    } catch (refused) {
      const error = peerErrorOf(refused)
      if (error instanceof PeerError && error.code === 'PEER_REFUSED') view.take(await peer.get(id))
      return error.message
    }
  } catch (error) {
    return peerErrorOf(error).message
  }
}
