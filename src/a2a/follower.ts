/**
 * Follows all tasks of one peer with one timer. Invariants:
 *
 * F1. One timer and at most `maxLooks` requests under way, however many tasks there are.
 * F2. Every task is looked at again, later and later, whether or not a subscription or a push tells of it sooner.
 * F3. A task that is over, or given up, is told once and then let go.
 *
 * Where many are due at a time and the peer can list its tasks, one list stands for all of these looks. There is one list
 * at a time, and no other look beside it: what becomes due meanwhile shares the next one.
 */
import type { Task } from '@a2a-js/sdk'
import { guarded, type Breaker } from './retry.js'
import type { PeerConnection } from './peer-client.js'
import { PeerError, peerErrorOf, type QueuedAck } from './peer-error.js'
import type { PeerSettings } from './peer-options.js'
import type { PeerTime } from './peer-time.js'
import type { TaskView } from './task-view.js'
import { createTaskLists } from './task-lists.js'

const maxLooks = 4
/** So many are worth a list. */
const worthList = 4
const growth = 1.6
/** No revision: what a list says of such a task may be older than what is known. */
const sentMeanwhile = -1
/** Younger tasks are over before a subscription pays, ms. */
const subscribeAfterMs = 1_000
/** What a subscription tells of needs no look but as a safeguard, ms. */
const safeguardMs = 30_000

export interface Followed {
  /** Something is said to have happened to it. */
  hurry(): void
  stop(): void
}

export interface Follower {
  /** `onNews` is called after each change, and `onLost` at most once, after which nothing comes any more. */
  follow(view: TaskView, onNews: () => void, onLost: (error: PeerError) => void): Followed
  readonly size: number
}

interface Entry {
  readonly view: TaskView
  readonly onNews: () => void
  readonly onLost: (error: PeerError) => void
  readonly sinceMs: number
  dueMs: number
  intervalMs: number
  isBusy: boolean
  /** Something is said to have happened since the look that is under way began. */
  isHurried: boolean
  seenMs: number
  /** Of its subscription. */
  abort: AbortController | null
}

export function createFollower(
  connection: PeerConnection,
  breaker: Breaker,
  settings: PeerSettings,
  time: PeerTime,
): Follower {
  const entries = new Set<Entry>()
  const lists = createTaskLists()
  let looks = 0
  let isListing = false
  let streams = 0
  let stopTimer = (): void => undefined
  let timerMs = Infinity

  /** F1. */
  function arm(): void {
    if (looks >= maxLooks || isListing) return
    let next = Infinity
    for (const { isBusy, dueMs } of entries) if (!isBusy) next = Math.min(next, dueMs)
    if (next === timerMs) return
    stopTimer()
    timerMs = next
    if (next < Infinity) stopTimer = time.after(Math.max(0, next - time.monotonicMs()), tick)
  }

  function tick(): void {
    timerMs = Infinity
    const now = time.monotonicMs()
    const due = [...entries].filter(({ isBusy, dueMs }) => !isBusy && dueMs <= now)
    if (due.length >= worthList && lists.mayBeAsked) void run(due, () => lookAtList(due))
    else for (const entry of due.slice(0, maxLooks - looks)) void run([entry], () => lookAt(entry))
    arm()
  }

  async function run(of: readonly Entry[], look: () => Promise<void>): Promise<void> {
    looks += 1
    for (const entry of of) Object.assign(entry, { isBusy: true, isHurried: false })
    await look()
    looks -= 1
    for (const entry of of) {
      entry.isBusy = false
      if (entry.isHurried) entry.dueMs = time.monotonicMs()
    }
    arm()
  }

  async function lookAt(entry: Entry): Promise<void> {
    try {
      const client = await connection.client()
      const { revision } = entry.view
      const task = await guarded(() => client.get(entry.view.task.id), breaker)
      seen(entry, entry.view.take(task, revision))
      if (client.card.streaming && mayStream(entry)) void subscribe(entry)
    } catch (thrown) {
      failed(entry, peerErrorOf(thrown))
    }
  }

  async function lookAtList(due: readonly Entry[]): Promise<void> {
    isListing = true
    try {
      const client = await connection.client()
      const wanted = new Set(due)
      const revisions = new Map([...entries].map((entry) => [entry, entry.view.revision]))
      /** It shows others of ours, too, also some that were sent meanwhile. */
      const takePage = (tasks: readonly Task[]): boolean => {
        const shown = new Map(tasks.map((task) => [task.id, task]))
        let isNewsToUs = false
        for (const entry of [...entries]) {
          const task = shown.get(entry.view.task.id)
          if (task === undefined) continue
          const isNews = entry.view.take(task, revisions.get(entry) ?? sentMeanwhile)
          const wasDue = wanted.delete(entry)
          if (wasDue || isNews) seen(entry, isNews)
          isNewsToUs ||= isNews
        }
        return isNewsToUs
      }
      const dueTasks = due.map(({ view }) => view.task)
      // Where there is no list they are still due, and are looked at one by one.
      if (!(await guarded(() => lists.ask(client, dueTasks, takePage), breaker))) return
      for (const entry of wanted) await lookAt(entry)
    } catch (thrown) {
      const error = peerErrorOf(thrown)
      for (const entry of due) failed(entry, error)
    } finally {
      isListing = false
    }
  }

  function seen(entry: Entry, isNews: boolean): void {
    if (!entries.has(entry)) return
    const now = time.monotonicMs()
    entry.seenMs = now
    const most = entry.abort === null ? settings.poll.maxMs : Math.max(safeguardMs, settings.poll.maxMs)
    entry.intervalMs = isNews ? settings.poll.initialMs : Math.min(entry.intervalMs * growth, most)
    // What was said of it during another's look is still to be looked at.
    if (entry.isBusy || !entry.isHurried) entry.dueMs = now + entry.intervalMs * (0.8 + 0.4 * time.random())
    tell(entry, isNews)
  }

  /** F3. */
  function tell(entry: Entry, isNews: boolean): void {
    if (entry.view.isTerminal) drop(entry)
    if (isNews || entry.view.isTerminal) entry.onNews()
  }

  function failed(entry: Entry, error: PeerError | QueuedAck): void {
    if (!entries.has(entry)) return
    const now = time.monotonicMs()
    const silentSeconds = (now - entry.seenMs) / 1000
    // Nobody knows a task better than the peer itself.
    const isGone = error instanceof PeerError && /^TaskNotFoundError/.test(error.message)
    if (!isGone && silentSeconds < settings.lostAfterSeconds) {
      if (error instanceof PeerError && error.code === 'PEER_UNREACHABLE') connection.forgetCard()
      entry.intervalMs = Math.min(entry.intervalMs * growth, settings.poll.maxMs)
      const left = entry.seenMs + settings.lostAfterSeconds * 1000 - now
      entry.dueMs = now + Math.min(entry.intervalMs * (0.5 + time.random()), left + 1)
      return
    }
    drop(entry)
    const why = isGone
      ? 'the peer does not know the task any more'
      : `nothing was heard for ${Math.round(silentSeconds)} s`
    entry.onLost(new PeerError('PEER_LOST', `${why}: ${error.message}`, { isPassing: false }, error))
  }

  function drop(entry: Entry): void {
    entries.delete(entry)
    entry.abort?.abort()
    arm()
  }

  function mayStream(entry: Entry): boolean {
    if (!entries.has(entry) || entry.abort !== null || streams >= settings.maxStreams) return false
    return time.monotonicMs() - entry.sinceMs >= subscribeAfterMs
  }

  /** However it ends, the next look finds out what is true. */
  async function subscribe(entry: Entry): Promise<void> {
    const abort = (entry.abort = new AbortController())
    streams += 1
    try {
      const client = await connection.client()
      for await (const event of client.subscribe(entry.view.task.id, abort.signal)) {
        if (!entries.has(entry)) break
        // A subscription that began late has not seen all: what is over is looked at once more, as a whole.
        const state = event.payload?.$case === 'statusUpdate' ? event.payload.value.status?.state : undefined
        if (state !== undefined && isEnd(state)) break
        if (entry.view.takeEvent(event)) seen(entry, true)
      }
    } catch {
      // Looking goes on.
    } finally {
      streams -= 1
      entry.abort = null
      hurry(entry)
    }
  }

  function hurry(entry: Entry): void {
    if (!entries.has(entry)) return
    entry.isHurried = true
    entry.dueMs = time.monotonicMs()
    arm()
  }

  return {
    get size() {
      return entries.size
    },
    follow(view, onNews, onLost) {
      const now = time.monotonicMs()
      const { initialMs } = settings.poll
      const at = { sinceMs: now, seenMs: now, dueMs: now + initialMs, intervalMs: initialMs }
      const entry: Entry = { view, onNews, onLost, ...at, isBusy: false, isHurried: false, abort: null }
      entries.add(entry)
      arm()
      return { hurry: () => hurry(entry), stop: () => drop(entry) }
    },
  }
}

/** The numbers of the terminal states in the protocol's own list. */
const isEnd = (state: number): boolean => state === 3 || state === 4 || state === 5 || state === 7
