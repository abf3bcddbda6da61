/**
 * Being one of several owners of a ledger: to be seen alive, to stop what others ask to be stopped, and to find those
 * that died. A ledger of one process needs none of it.
 */
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Letter } from '../ledger/mail.js'
import type { InterruptRequest, Owner } from '../ledger/shapes.js'
import type { EventHub } from './events.js'
import type { Recovery } from './recovery.js'

export interface Membership {
  /** Resolves once it has looked for what dead owners left; from then on it looks again and again. */
  start(): Promise<void>
  /** A unit of ours has begun, or ended: from now on there is, or is not, what others may ask us to stop. */
  followRequests(): void
  stop(): Promise<void>
}

interface MembershipOptions {
  readonly ledger: Ledger
  readonly self: Owner
  readonly clock: Clock
  readonly hub: EventHub
  readonly recovery: Recovery
  /** Stops a unit of ours, and records how that went. */
  readonly onInterrupt: (request: InterruptRequest) => Promise<void>
  /** Does what another process asks of a unit of ours, and replies. */
  readonly onLetter: (letter: Letter) => Promise<void>
  /** We may have been thought dead: what is not ours any more must not go on. */
  readonly onThoughtDead: () => Promise<void>
  /** True while a unit of ours is live: only then can anybody ask us to stop one. */
  readonly isWorking: () => boolean
}

/** Between two looks, ms: a dead owner is found within three seconds. */
const lookMs = 2_000
const looksPerPrune = 30
/** Others give up an owner that is silent for ten seconds; some are left for the look itself, ms. */
const sleptMs = 8_000
/** After a hint the ledger is asked this much later, ms: hints come in showers. */
const hintPauseMs = 5

export function createMembership(options: MembershipOptions): Membership {
  const { ledger, self, clock, hub, recovery, onInterrupt, onLetter, onThoughtDead, isWorking } = options
  const heard = new Set<string>()
  let looks = 0
  let lastLook: { readonly wallMs: number; readonly ms: number } | null = null
  let stopTimer = (): void => undefined
  let stopPause: (() => void) | null = null
  let unsubscribe: (() => void) | null = null
  let isStopped = false
  let isPruning = false
  let looking: Promise<void> = Promise.resolve()

  async function beat(): Promise<void> {
    try {
      for (const request of await ledger.heartbeat(self.id)) hear(request)
      if (isWorking()) for (const letter of await ledger.mail.waiting(self.id)) read(letter)
    } catch (error) {
      if (!(error instanceof DelegationError) || error.code !== 'LEDGER_UNKNOWN_OWNER') throw error
      // Somebody thought us dead, and took what was ours; from now on we are a new owner of the same name.
      await ledger.join({ ...self, seenAt: clock.now() })
      await onThoughtDead()
    }
  }

  function hear(request: InterruptRequest): void {
    const key = `${request.requestId} ${request.unitId}`
    if (heard.has(key)) return
    heard.add(key)
    void onInterrupt(request).catch(fault)
  }

  function read(letter: Letter): void {
    if (heard.has(letter.id)) return
    heard.add(letter.id)
    void onLetter(letter).catch(fault)
  }

  /** While nothing is ours, nobody can ask us anything: then not even the file is watched. */
  function followRequests(): void {
    if (isWorking() && !isStopped) unsubscribe ??= ledger.subscribe(onHint)
    else {
      unsubscribe?.()
      unsubscribe = null
      heard.clear()
    }
  }

  function onHint(): void {
    stopPause ??= clock.after(hintPauseMs, () => {
      stopPause = null
      if (isWorking() && !isStopped) beat().catch(fault)
    })
  }

  /** True after a pause in which others may have given us up: a suspended machine, a stopped process. */
  function hasSlept(): boolean {
    const now = { wallMs: clock.now() * 1000, ms: clock.monotonicMs() }
    const last = lastLook ?? now
    lastLook = now
    return Math.max(now.wallMs - last.wallMs, now.ms - last.ms) > sleptMs
  }

  async function look(): Promise<void> {
    followRequests()
    const slept = hasSlept()
    await beat()
    if (slept) await onThoughtDead()
    await recovery.sweep()
    if (looks % looksPerPrune === 0) prune()
    looks += 1
  }

  /** Beside the looks: what has piled up takes many steps, and we are to be seen alive meanwhile. */
  function prune(): void {
    if (isPruning) return
    isPruning = true
    void ledger
      .prune()
      .catch(fault)
      .finally(() => (isPruning = false))
  }

  function lookAgain(): void {
    if (isStopped) return
    looking = look()
      .catch(fault)
      .finally(() => {
        if (!isStopped) stopTimer = clock.after(lookMs, lookAgain)
      })
  }

  function fault(error: unknown): void {
    if (!isStopped) hub.emit('fault', error as Error)
  }

  return {
    start() {
      lookAgain()
      return looking
    },
    followRequests,
    async stop() {
      isStopped = true
      stopTimer()
      stopPause?.()
      unsubscribe?.()
      await looking
    },
  }
}
