/**
 * Notifications on their way to receivers. Each is an event on the ledger's rail that only its id can claim: a restart goes
 * on with it, and of several servers on one ledger one has it at a time. A receiver gets it at least once, always under the
 * same id; it is tried until it was taken, or given up after two days.
 */
import pLimit from 'p-limit'
import type { Clock, Delegator, DeliveryView } from '../../index.js'
import { DelegationError } from '../../index.js'
import type { Json, JsonObject } from '../../runner.js'
import { pushSessionOf } from './scopes.js'
import type { Caller, Callers } from './callers.js'

/** As it is stored. `update` is what is sent; null for the task itself, as it is by then. */
export interface StoredPush extends JsonObject {
  readonly task_id: string
  readonly context_id: string
  readonly url: string
  readonly token: string
  readonly authorization: string
  readonly version: string
  readonly update: Json
  readonly at: number
}

/** Sends it once. @throws {Error} saying why it was not taken */
export type SendPush = (caller: Caller, eventId: string, push: StoredPush) => Promise<void>

export interface PushOutbox {
  /** Once it resolves, the notification is in the ledger. One that is there already stays as it is. */
  add(caller: Caller, eventId: string, push: StoredPush): Promise<void>
  start(): void
  /** Resolves once nothing is being sent. */
  stop(): Promise<void>
}

interface PushOutboxOptions {
  readonly delegator: Delegator
  readonly callers: Callers
  readonly clock: Pick<Clock, 'now' | 'after'>
  readonly random: () => number
  readonly send: SendPush
  /** A sentence for the operator. */
  readonly tell: (line: string) => void
}

export const pushType = 'a2a_push'
const concurrency = 16
/** What another server has left behind is found after this long, ms. */
const lookAgainMs = 30_000
const leaseSeconds = 60
const longestWaitSeconds = 300
const giveUpSeconds = 48 * 3600
const pageSize = 100

/** As old as it is, from 1 s to 5 min, so that each wait is about twice the last; with ±50 % of chance. */
export function waitBeforeRetry(ageSeconds: number, random: () => number): number {
  return Math.min(longestWaitSeconds, Math.max(1, ageSeconds)) * (0.5 + random())
}

export function createPushOutbox(options: PushOutboxOptions): PushOutbox {
  const { delegator, callers, clock, random, send, tell } = options
  const { completions } = delegator
  const limit = pLimit(concurrency)
  const underway = new Map<string, Promise<void>>()
  let isStopped = false
  let isLooking = false
  let isStale = false
  let stopTimer = (): void => undefined

  async function attempt(caller: Caller, eventId: string): Promise<void> {
    if (isStopped) return
    const [claim] = await completions.claim({ ids: [eventId], limit: 1, leaseSeconds })
    if (claim === undefined) return
    const push = claim.event as unknown as StoredPush
    try {
      await send(caller, eventId, push)
      await claim.ack()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const ageSeconds = clock.now() - push.at
      const isGivenUp = ageSeconds > giveUpSeconds
      const what = `a push of task ${push.task_id} to ${hostOf(push.url)} was not taken: ${reason}`
      tell(isGivenUp ? `${what}; it is given up` : what)
      if (isGivenUp) await claim.drop(reason)
      else await claim.defer(waitBeforeRetry(ageSeconds, random))
    }
  }

  function begin(caller: Caller, eventId: string): void {
    if (underway.has(eventId)) return
    const work = limit(() => attempt(caller, eventId))
      .catch((error: unknown) => tell(`a push cannot be looked after: ${String(error)}`))
      .finally(() => {
        underway.delete(eventId)
        look()
      })
    underway.set(eventId, work)
  }

  /** Begins what is due, and comes back when the next is. */
  async function lookOnce(): Promise<void> {
    let next = clock.now() + lookAgainMs / 1000
    for (const caller of callers.all) {
      for await (const { event_id, available_at } of pendingOf(delegator, caller)) {
        if (available_at <= clock.now()) begin(caller, event_id)
        else next = Math.min(next, available_at)
      }
    }
    stopTimer()
    if (!isStopped) stopTimer = clock.after(Math.max(10, (next - clock.now()) * 1000), look)
  }

  /** One look at a time; who asks meanwhile gets another one after it. */
  async function lookUntilFresh(): Promise<void> {
    do {
      isStale = false
      await lookOnce()
    } while (hasNews())
  }

  const hasNews = (): boolean => isStale && !isStopped

  function look(): void {
    isStale = true
    if (isLooking || isStopped) return
    isLooking = true
    lookUntilFresh()
      .catch((error: unknown) => {
        if (isStopped) return
        tell(`pushes cannot be read: ${String(error)}`)
        stopTimer = clock.after(lookAgainMs, look)
      })
      .finally(() => (isLooking = false))
  }

  return {
    async add(caller, eventId, push) {
      const event = { ...push, type: pushType, session_key: pushSessionOf(caller), event_id: eventId }
      try {
        await completions.publish(event, { delivery: 'collect' })
      } catch (error) {
        if (!(error instanceof DelegationError) || error.code !== 'LEDGER_DUPLICATE') throw error
      }
      look()
    },
    start: look,
    async stop() {
      isStopped = true
      stopTimer()
      await Promise.all(underway.values())
    },
  }
}

async function* pendingOf({ completions }: Delegator, caller: Caller): AsyncGenerator<DeliveryView> {
  const sessionKey = pushSessionOf(caller)
  let afterSeq = 0
  for (;;) {
    const page = await completions.read({ sessionKey, states: ['pending'], afterSeq, limit: pageSize })
    yield* page
    if (page.length < pageSize) return
    afterSeq = page.at(-1)?.seq ?? afterSeq
  }
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'no URL')
