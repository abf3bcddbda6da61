/**
 * The idle drain, done right (P8). Invariants:
 *
 * H1. A turn is started only while the host says that it is idle, and only one at a time.
 * H2. A completion is acked once its turn was accepted, and not before; it is released when starting failed, and
 *     deferred at no cost when the host was busy after all.
 */
import type { AsyncDelegationEvent } from '../core/event.js'
import { isSuccess } from '../core/delegation.js'
import { failPoint } from '../core/fail-point.js'
import { turnText, type Completion } from '../runtime/completions.js'
import type { Delegator } from '../runtime/delegator.js'
import { withSession } from '../runtime/session-context.js'
import { isClosed, judge, keepRenewed, renewAfterMs } from './held-claims.js'

export interface AttachHostOptions {
  /** Whose completions. @defaultValue what the delegator itself dispatched */
  readonly sessionKey?: string
  /** In place of `sessionKey`, where no key can say it. One that throws says no. */
  readonly owns?: (event: AsyncDelegationEvent) => boolean
  /** True while a new turn may start. A throw counts as busy. */
  readonly isIdle: () => boolean
  /**
   * Starts a turn with `text`, inside `withSession` of the events' session, and says whether it was accepted. A throw
   * or a rejection means that it failed.
   */
  readonly startTurn: (
    text: string,
    events: readonly AsyncDelegationEvent[],
  ) => 'started' | 'busy' | Promise<'started' | 'busy'>
  /** Completions of one session that wait together become one turn. @defaultValue true */
  readonly coalesce?: boolean
}

export interface AttachedHost {
  /** The host's turn has ended: what waits may be delivered now. */
  idle(): void
  /** Stops delivering. What was not accepted stays in the ledger. Resolves when nothing is under way any more. */
  detach(): Promise<void>
}

const busyPollSeconds = 0.25
const retrySeconds = 1

/** Hands completions to a host as new turns. Keeps the process alive only while there is something to wait for. */
export function attachHost(delegator: Delegator, options: AttachHostOptions): AttachedHost {
  const { sessionKey, owns, coalesce = true } = options
  const detached = new AbortController()
  const { signal } = detached
  const select = owns !== undefined ? { owns } : sessionKey === undefined ? {} : { sessionKey }
  let wake = (): void => undefined

  function isIdle(): boolean {
    try {
      return options.isIdle()
    } catch {
      // A host that cannot say is busy.
      return false
    }
  }

  async function startTurn(turn: readonly Completion[]): Promise<void> {
    const { completions } = delegator
    const events = turn.map(({ event }) => event)
    const session = events[0]?.session_key ?? ''
    const renewing = keepRenewed(turn)
    let outcome: 'started' | 'busy'
    try {
      failPoint('turn:before')
      outcome = await withSession(session, async () => options.startTurn(turnText(events), events))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      await judge(turn, () => completions.release(turn, `the turn failed to start: ${reason}`))
      return
    } finally {
      renewing.stop()
    }
    failPoint('turn:answered')
    if (outcome === 'started') await judge(turn, () => completions.ack(turn))
    else await judge(turn, () => completions.defer(turn, busyPollSeconds))
    failPoint('turn:over')
  }

  /** One turn per session; failures first, because they are what a parent may have to act upon. */
  function turns(completions: readonly Completion[]): readonly (readonly Completion[])[] {
    const sorted = [...completions].sort(
      (a, b) => Number(isSuccess(a.event.status)) - Number(isSuccess(b.event.status)),
    )
    if (!coalesce) return completions.map((completion) => [completion])
    const bySession = new Map<string, Completion[]>()
    for (const completion of sorted) {
      const turn = bySession.get(completion.event.session_key)
      if (turn === undefined) bySession.set(completion.event.session_key, [completion])
      else turn.push(completion)
    }
    return [...bySession.values()]
  }

  function untilIdle(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, busyPollSeconds * 1000)
      function done(): void {
        clearTimeout(timer)
        resolve()
      }
      wake = done
    })
  }

  /** False when there is no turn to be started: it stopped delivering, or somebody else has the completion now. */
  async function hostIsFree(claimed: Completion): Promise<boolean> {
    let renewedMs = performance.now()
    while (!isIdle() && !signal.aborted) {
      await untilIdle()
      if (performance.now() - renewedMs < renewAfterMs) continue
      try {
        if (!(await claimed.renew())) return false
        renewedMs = performance.now()
      } catch (error) {
        // A ledger in trouble is asked again at the next look.
        if (isClosed(error)) throw error
      }
    }
    if (signal.aborted) await judge([claimed], () => claimed.defer(0))
    return !signal.aborted
  }

  /** What may share a turn with the first. A ledger in trouble costs company, not the claim that there is. */
  async function others(): Promise<readonly Completion[]> {
    if (!coalesce) return []
    try {
      return await delegator.completions.claim(select)
    } catch (error) {
      if (isClosed(error)) throw error
      return []
    }
  }

  /** A ledger in trouble is tried again; a closed delegator has nothing more to deliver. */
  async function deliverUntilDetached(): Promise<void> {
    while (!detached.signal.aborted) {
      try {
        await deliver()
        return
      } catch (error) {
        if (isClosed(error)) return
        await new Promise((resolve) => setTimeout(resolve, retrySeconds * 1000))
      }
    }
  }

  async function deliver(): Promise<void> {
    const following = delegator.completions.follow({ ...select, signal, keepAlive: 'while-working' })
    for await (const first of following) {
      if (!(await hostIsFree(first))) continue
      const [turn = [], ...later] = turns([first, ...(await others())])
      const rest = later.flat()
      // H1: only one turn fits now. What is for other sessions comes again when the host is idle again.
      await judge(rest, () => delegator.completions.defer(rest, 0))
      if (isIdle()) await startTurn(turn)
      else await judge(turn, () => delegator.completions.defer(turn, 0))
    }
  }

  function stop(): void {
    detached.abort()
    wake()
  }

  delegator.events.once('closing', stop)
  const delivering = deliverUntilDetached()
  return {
    idle: () => wake(),
    detach() {
      delegator.events.off('closing', stop)
      stop()
      return delivering
    },
  }
}
