/**
 * Tells hosts what waits for them. All who watch share one subscription and one read of the ledger per turn of the event
 * loop; whose it is is decided in memory. Where nothing changes nothing is done, however many watch.
 */
import type { Clock } from '../core/clock.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Waiting } from '../ledger/shapes.js'
import type { ProcessHold } from './process-hold.js'

/** Completions of one session, under one parent session, that can be claimed now. */
export interface WaitingSession {
  readonly sessionKey: string
  readonly parentSessionId: string | null
  /** Where only what this owner dispatched is meant. */
  readonly dispatchedBy?: string
  /** The newest of them: it rises with each that is added. */
  readonly lastSeq: number
}

/** Whose completions are watched: a session's, those of everyone, or (with neither) what this delegator dispatched. */
export interface WatchOptions {
  /** `''` is what this delegator dispatched without a session. */
  readonly sessionKey?: string
  /** @defaultValue false */
  readonly all?: boolean
}

export interface WaitingWatch {
  /** True while `endSession` is at it: what was claimed before is not to be delivered. */
  isEnding(sessionKey: string): boolean
  stop(): void
}

export interface WaitingFeed {
  /**
   * Calls `onWaiting` with all that can be claimed of what is watched: at first, after changes, when a wait is over; and
   * with nothing once nothing is left. The process lives while something of it is open, or a unit of ours is live.
   */
  watch(options: WatchOptions, onWaiting: (sessions: readonly WaitingSession[]) => void): WaitingWatch
  /** Until the returned function is called nobody is told of this session. */
  suspend(sessionKey: string): () => void
}

interface FeedOptions {
  readonly ledger: Ledger
  readonly ownerId: string
  readonly clock: Clock
  readonly hold: ProcessHold
  readonly closed: AbortSignal
  /** True while a unit of this delegator is live. */
  readonly isWorking: () => boolean
}

interface Watcher {
  readonly tell: (sessions: readonly WaitingSession[]) => void
  isTold: boolean
}

/** Hints of the ledger may be missed: without any it is read this often, ms. */
const idleMs = 60_000
/** A ledger in trouble is read again after this long, ms. */
const retryMs = 1_000

export function createWaitingFeed(options: FeedOptions): WaitingFeed {
  const { ledger, ownerId, clock, hold, closed, isWorking } = options
  const bySession = new Map<string, Set<Watcher>>()
  const ofOwn = new Set<Watcher>()
  const ofAll = new Set<Watcher>()
  const watchers = new Set<Watcher>()
  const suspended = new Map<string, number>()
  let open: readonly Waiting[] = []
  let isLooking = false
  let isStale = false
  let unsubscribe: (() => void) | null = null
  let stopTimer = (): void => undefined
  let letGo: (() => void) | null = null

  const hasNews = (): boolean => isStale

  /** What comes in one turn of the event loop is seen together. */
  function lookSoon(): void {
    isStale = true
    if (isLooking || watchers.size === 0) return
    isLooking = true
    setImmediate(() => void look())
  }

  async function look(): Promise<void> {
    isStale = false
    stopTimer()
    try {
      open = await ledger.waiting()
      if (watchers.size > 0) tell()
    } catch {
      // In trouble; or closed, and then nobody watches any more.
      if (watchers.size > 0) stopTimer = clock.after(retryMs, lookSoon)
    }
    isLooking = false
    if (hasNews()) lookSoon()
  }

  function tell(): void {
    const now = clock.now()
    const found = new Map<Watcher, Map<string, WaitingSession>>()
    let next = Infinity
    let isOpen = false
    for (const row of open) {
      for (const [watcher, scope] of concerned(row)) {
        isOpen = true
        if (row.dueAt > now) next = Math.min(next, row.dueAt)
        else if (!suspended.has(row.sessionKey)) add(found, watcher, scope)
      }
    }
    keepAlive(isOpen || isWorking())
    stopTimer()
    stopTimer = clock.after(Math.min(idleMs, (next - now) * 1000), lookSoon)
    for (const watcher of [...watchers]) {
      const sessions = found.get(watcher)
      if (sessions === undefined && !watcher.isTold) continue
      watcher.isTold = sessions !== undefined
      try {
        watcher.tell([...(sessions?.values() ?? [])])
      } catch {
        // The others are told all the same.
      }
    }
  }

  /** Who is to hear of it, and as what: ownership needs proof, and an empty key is none (P8). */
  function* concerned(row: Waiting): Generator<readonly [Watcher, WaitingSession]> {
    const { sessionKey, parentSessionId, lastSeq } = row
    const session = { sessionKey, parentSessionId, lastSeq }
    const isOwn = row.dispatchedBy === ownerId
    const anyone = sessionKey === '' ? { ...session, dispatchedBy: row.dispatchedBy } : session
    if (sessionKey !== '' || isOwn) {
      for (const watcher of bySession.get(sessionKey) ?? []) yield [watcher, anyone]
    }
    if (isOwn) for (const watcher of ofOwn) yield [watcher, { ...session, dispatchedBy: ownerId }]
    for (const watcher of ofAll) yield [watcher, anyone]
  }

  function keepAlive(isNeeded: boolean): void {
    if (isNeeded) letGo ??= hold.take()
    else {
      letGo?.()
      letGo = null
    }
  }

  function placeOf({ sessionKey, all }: WatchOptions): Set<Watcher> {
    if (all === true) return ofAll
    if (sessionKey === undefined) return ofOwn
    const known = bySession.get(sessionKey) ?? new Set<Watcher>()
    bySession.set(sessionKey, known)
    return known
  }

  function rest(): void {
    unsubscribe?.()
    unsubscribe = null
    stopTimer()
    keepAlive(false)
  }

  closed.addEventListener('abort', () => {
    for (const place of [ofOwn, ofAll, watchers]) place.clear()
    bySession.clear()
    rest()
  })

  return {
    watch(watched, onWaiting) {
      const watcher: Watcher = { tell: onWaiting, isTold: false }
      const place = placeOf(watched)
      if (!closed.aborted) {
        place.add(watcher)
        watchers.add(watcher)
        unsubscribe ??= ledger.subscribe(lookSoon)
        lookSoon()
      }
      return {
        isEnding: (sessionKey) => suspended.has(sessionKey),
        stop() {
          place.delete(watcher)
          if (place.size === 0 && watched.sessionKey !== undefined) bySession.delete(watched.sessionKey)
          watchers.delete(watcher)
          if (watchers.size === 0) rest()
        },
      }
    },
    suspend(sessionKey) {
      suspended.set(sessionKey, (suspended.get(sessionKey) ?? 0) + 1)
      // What they were told of before is not theirs any more.
      if (watchers.size > 0) tell()
      let isOver = false
      return () => {
        if (isOver) return
        isOver = true
        const left = (suspended.get(sessionKey) ?? 1) - 1
        if (left === 0) suspended.delete(sessionKey)
        else suspended.set(sessionKey, left)
        lookSoon()
      }
    },
  }
}

/** A session that several owners have something for is one. */
function add(
  found: Map<Watcher, Map<string, WaitingSession>>,
  watcher: Watcher,
  scope: WaitingSession,
): void {
  const sessions = found.get(watcher) ?? new Map<string, WaitingSession>()
  found.set(watcher, sessions)
  const key = waitingKey(scope)
  const lastSeq = Math.max(scope.lastSeq, sessions.get(key)?.lastSeq ?? 0)
  sessions.set(key, { ...scope, lastSeq })
}

/** The same for the same session and parent, whatever has come meanwhile. */
export function waitingKey({ sessionKey, parentSessionId, dispatchedBy }: WaitingSession): string {
  return JSON.stringify([sessionKey, parentSessionId, dispatchedBy])
}
