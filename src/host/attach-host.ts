/**
 * The idle drain, done right (P8). Invariants:
 *
 * H1. A turn is started only while the host says that its session is idle, and only one at a time in each session.
 * H2. A completion is acked once its turn was accepted, and not before; it is released when starting failed, and
 *     deferred at no cost when the host was busy after all.
 * H3. What a host has accepted is no turn of it again, although its acknowledgement was lost.
 */
import { setMaxListeners } from 'node:events'
import type { AsyncDelegationEvent } from '../core/event.js'
import type { Completion } from '../runtime/completions.js'
import type { Delegator } from '../runtime/delegator.js'
import { waitingKey, type WaitingSession } from '../runtime/waiting-feed.js'
import { checkHost } from './check-host.js'
import { isClosed, judge } from './held-claims.js'
import { inTime, late } from './in-time.js'
import { busySeconds, createTurns, type StartTurn } from './start-turn.js'

/**
 * Where a session's completions go (spec 5.3): to a session, itself or the one that continues it; to nobody, for good; or
 * nobody can say at the moment, and it is asked again at no cost.
 */
export type ResolvedSession = { readonly sessionKey: string } | 'gone' | 'unavailable'

export interface AttachHostOptions {
  /** One conversation, and the key of its completions. @defaultValue what the delegator itself dispatched */
  readonly sessionKey?: string
  /**
   * Many conversations, a gateway's: says which events are its own. Each session then has turns of its own, and none
   * waits for another. Anything but `true`, and a throw, is a no; it is asked again after a minute, or after `idle`.
   */
  readonly owns?: (event: AsyncDelegationEvent) => boolean
  /** True while a new turn may start in this session. Anything else, and a throw, counts as busy. */
  readonly isIdle: (sessionKey: string) => boolean
  /**
   * Starts a turn with `text`, inside `withSession` of its session, and says whether it was accepted. A throw, a rejection
   * or another answer means that it failed: that costs an attempt.
   */
  readonly startTurn: StartTurn
  /** Completions of one session that wait together become one turn. @defaultValue true */
  readonly coalesce?: boolean
  /**
   * Most characters of a turn, from 10,000: what does not fit is the next turn. One completion is a turn, however long it
   * is, and has its own bound (see `renderTurn`). @defaultValue 100,000
   */
  readonly maxTurnCharacters?: number
  /**
   * How long `startTurn` may take to say whether it accepted the turn, s, from 1 to 86,400. Later it has failed; what it
   * answers then is heard all the same, so that an accepted turn does not come twice. @defaultValue 600
   */
  readonly startTimeoutSeconds?: number
  /**
   * Asked before each turn where the completions of a session, under a parent session, go now. A throw means that nobody
   * can say at the moment. @defaultValue to the session itself
   */
  readonly resolveSession?: (
    sessionKey: string,
    parentSessionId: string | null,
  ) => ResolvedSession | Promise<ResolvedSession>
}

export interface AttachedHost {
  /** A turn has ended, or a session is there now: what waits may be delivered. @defaultValue any session */
  idle(sessionKey?: string): void
  /**
   * Stops delivering. What was not accepted stays in the ledger. Resolves when nothing is under way any more; a `startTurn`
   * that does not answer within 5 s has failed.
   */
  detach(): Promise<void>
}

const retryMs = 1_000
const turnCharacters = 100_000
const startSeconds = 600
/** Where a session goes is known by then, or nobody can say at the moment, ms. */
const resolveMs = 30_000
/** A stranger's completions are asked about again after this long, ms. */
const strangerMs = 60_000

/** What is remembered of a session as long as something waits for it. */
interface Note {
  /** Where it went when that was last asked. */
  target?: string
  /** Nothing is tried before. */
  restUntilMs?: number
  /** Up to here nothing was ours, as long as the time lasts. */
  stranger?: { readonly lastSeq: number; readonly untilMs: number }
}

/** Hands completions to a host as new turns. Keeps the process alive only while there is something to wait for. */
export function attachHost(delegator: Delegator, options: AttachHostOptions): AttachedHost {
  checkHost(options)
  const { sessionKey: ownKey, owns, coalesce = true, resolveSession } = options
  const { completions } = delegator
  /** What waits, as last heard, without what is on its way to a turn. */
  const waiting = new Map<string, WaitingSession>()
  const underWay = new Map<string, Promise<void>>()
  const notes = new Map<string, Note>()
  /** Where a turn is being started. */
  const starting = new Set<string>()
  let timer: NodeJS.Timeout | null = null
  const detached = new AbortController()
  // Every session waits for its host by itself.
  setMaxListeners(0, detached.signal)
  const isDetached = (): boolean => detached.signal.aborted
  const turns = createTurns(completions, {
    startTurn: options.startTurn,
    maxCharacters: options.maxTurnCharacters ?? turnCharacters,
    patience: { ms: (options.startTimeoutSeconds ?? startSeconds) * 1000, leaving: detached.signal },
  })

  /** One conversation has one turn at a time, whatever the keys are. */
  const laneOf = (sessionKey: string): string => (owns === undefined ? '' : sessionKey)

  function isIdle(sessionKey: string): boolean {
    try {
      // Anything but true is no proof: a promise, for one, would always pass.
      return (options.isIdle(sessionKey) as unknown) === true
    } catch {
      return false
    }
  }

  function noteOf(key: string): Note {
    const known = notes.get(key) ?? {}
    notes.set(key, known)
    return known
  }

  function isStranger(lastSeq: number, { stranger }: Note): boolean {
    return stranger?.lastSeq === lastSeq && performance.now() < stranger.untilMs
  }

  function isReady({ sessionKey, lastSeq }: WaitingSession, note: Note): boolean {
    if (note.restUntilMs !== undefined && performance.now() < note.restUntilMs) return false
    if (isStranger(lastSeq, note)) return false
    const target = resolveSession === undefined ? sessionKey : note.target
    // Where it goes must be asked first.
    return target === undefined || (!starting.has(laneOf(target)) && isIdle(target))
  }

  /** Sets out for every session that is ready, or for one, and asks the others again in a moment. */
  function pump(only?: string): void {
    if (isDetached()) return
    let isAnyOurs = false
    for (const [key, session] of waiting) {
      isAnyOurs ||= !isStranger(session.lastSeq, noteOf(key))
      if (only !== undefined && session.sessionKey !== only && notes.get(key)?.target !== only) continue
      if (!underWay.has(key) && isReady(session, noteOf(key))) setOut(key, session)
    }
    // Strangers are asked about again when `idle` is called, and when the watch tells of them.
    if (!isAnyOurs) return
    timer ??= setTimeout(() => {
      timer = null
      pump()
    }, busySeconds * 1000)
    // As long as something waits, the watch keeps the process alive.
    timer.unref()
  }

  function setOut(key: string, session: WaitingSession): void {
    waiting.delete(key)
    const delivering = deliver(key, session)
      .catch((error: unknown) => {
        // A ledger in trouble is tried again; a closed delegator has nothing more to deliver.
        if (!isClosed(error)) comeBack(key, session, retryMs)
      })
      .finally(() => {
        underWay.delete(key)
        pump()
      })
    underWay.set(key, delivering)
  }

  function comeBack(key: string, session: WaitingSession, restMs = 0): void {
    noteOf(key).restUntilMs = performance.now() + restMs
    if (!waiting.has(key)) waiting.set(key, session)
  }

  async function resolve({ sessionKey, parentSessionId }: WaitingSession): Promise<ResolvedSession> {
    if (resolveSession === undefined) return { sessionKey }
    try {
      const asked = Promise.resolve(resolveSession(sessionKey, parentSessionId))
      const answer = await inTime(asked, { ms: resolveMs, leaving: detached.signal })
      return answer === late ? 'unavailable' : answer
    } catch {
      return 'unavailable'
    }
  }

  async function deliver(key: string, session: WaitingSession): Promise<void> {
    const resolved = await resolve(session)
    if (isDetached()) return
    if (resolved === 'gone') {
      const claimed = await claim(key, session)
      await judge(claimed, () => completions.drop(claimed, 'its session is over'))
      return
    }
    const target = resolved === 'unavailable' ? undefined : (resolved.sessionKey as unknown)
    if (typeof target !== 'string') {
      comeBack(key, session, retryMs)
      return
    }
    noteOf(key).target = target
    const lane = laneOf(target)
    if (starting.has(lane) || !isIdle(target)) {
      comeBack(key, session)
      return
    }
    starting.add(lane)
    try {
      const claimed = await turns.fresh(await claim(key, session))
      const turn = turns.fitting(claimed)
      // The others are the next turn.
      const others = claimed.slice(turn.length)
      await judge(others, () => completions.defer(others, 0))
      const mayStart = !isDetached() && !isEnding(session.sessionKey, target) && isIdle(target)
      // H1. What may not start comes again when the host is idle again.
      if (mayStart && turn.length > 0) await turns.start(turn, target)
      else await judge(turn, () => completions.defer(turn, 0))
    } finally {
      starting.delete(lane)
    }
  }

  async function claim(key: string, session: WaitingSession): Promise<readonly Completion[]> {
    const limit = coalesce ? {} : { limit: 1 }
    if (owns === undefined) return completions.claim({ waiting: session, ...limit })
    let count = 0
    const asked = (event: AsyncDelegationEvent): boolean =>
      (owns(event) as unknown) === true && (count += 1) > 0
    const claimed = await completions.claim({ waiting: session, owns: asked, ...limit })
    if (count === 0) {
      noteOf(key).stranger = { lastSeq: session.lastSeq, untilMs: performance.now() + strangerMs }
      if (!waiting.has(key)) waiting.set(key, session)
    }
    return claimed
  }

  const isEnding = (...keys: readonly string[]): boolean => keys.some((key) => watch.isEnding(key))

  function hear(sessions: readonly WaitingSession[]): void {
    waiting.clear()
    for (const session of sessions) waiting.set(waitingKey(session), session)
    for (const key of notes.keys()) if (!waiting.has(key) && !underWay.has(key)) notes.delete(key)
    pump()
  }

  function stop(): void {
    detached.abort()
    if (timer !== null) clearTimeout(timer)
    watch.stop()
  }

  const watched = owns !== undefined ? { all: true } : ownKey !== undefined ? { sessionKey: ownKey } : {}
  const watch = completions.watch(watched, hear)
  delegator.events.once('closing', stop)
  return {
    idle(sessionKey) {
      for (const [key, session] of waiting) {
        if (sessionKey === undefined || session.sessionKey === sessionKey) delete noteOf(key).stranger
      }
      pump(sessionKey)
    },
    async detach() {
      delegator.events.off('closing', stop)
      stop()
      await Promise.all(underWay.values())
    },
  }
}
