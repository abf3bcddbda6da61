/** Stopping units that another process runs: asked for through the ledger, answered there. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.js'
import type { Ledger, Select, UnitRecord } from '../ledger/ledger.js'
import type { InterruptReport } from './interrupts.js'
import { watchChanges } from './ledger-changes.js'
import type { ProcessHold } from './process-hold.js'

export interface RemoteInterrupts {
  /** Asks the owners of what matches, and waits for their answers; who does not answer in time is unreachable. */
  stop(selects: readonly Select[], reason: string, graceMs: number): Promise<InterruptReport>
}

interface RemoteInterruptsOptions {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly hold: ProcessHold
  readonly isOurs: (id: string) => boolean
}

/** An owner hears of it within a second, and needs the grace and a second more for the proof. */
const answerMs = 4_000
const none = { signalled: 0, stopped: 0, escalated: 0, unreachable: 0 }

export function createRemoteInterrupts(given: RemoteInterruptsOptions): RemoteInterrupts {
  const { ledger, clock, hold, isOurs } = given

  async function foreign(selects: readonly Select[]): Promise<string[]> {
    const found = await Promise.all(
      selects.map((select) => ledger.list(select, true, { limit: Number.MAX_SAFE_INTEGER })),
    )
    const ids = new Set(found.flat().map(({ id }) => id))
    return [...ids].filter((id) => !isOurs(id))
  }

  /** Null: neither answered nor ended. */
  function answerOf(unit: UnitRecord | null, requestId: string) {
    if (unit?.interruptReport?.requestId === requestId) return unit.interruptReport
    // It ended by itself, before it heard of this.
    return unit === null || (unit.endedAt !== null && !unit.slotHeld) ? none : null
  }

  async function answers(ids: readonly string[], requestId: string, withinMs: number) {
    const deadlineMs = clock.monotonicMs() + withinMs
    const changes = watchChanges(ledger)
    const waiting = new Set(ids)
    const reports: (typeof none)[] = []
    try {
      for (;;) {
        changes.reset()
        for (const id of waiting) {
          const unit = await ledger.get(id)
          const isLate = clock.monotonicMs() >= deadlineMs
          const answer = answerOf(unit, requestId) ?? (isLate ? silent(unit) : null)
          if (answer === null) continue
          reports.push(answer)
          waiting.delete(id)
        }
        if (waiting.size === 0) return reports
        await nextChange(changes.next, changes.forget, deadlineMs - clock.monotonicMs())
      }
    } finally {
      changes.stop()
    }
  }

  function nextChange(next: (wake: () => void) => void, forget: () => void, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        stopTimer()
        forget()
        resolve()
      }
      const stopTimer = clock.after(Math.max(0, withinMs), wake)
      next(wake)
    })
  }

  return {
    async stop(selects, reason, graceMs) {
      const ids = await foreign(selects)
      if (ids.length === 0) return { ...none, units: 0 }
      const requestId = randomUUID()
      await ledger.requestInterrupt({ ids }, { requestId, reason, graceMs })
      const reports = await hold.during(answers(ids, requestId, graceMs + answerMs))
      const sum = (field: keyof typeof none): number =>
        reports.reduce((total, report) => total + report[field], 0)
      return {
        signalled: sum('signalled'),
        stopped: sum('stopped'),
        escalated: sum('escalated'),
        unreachable: sum('unreachable'),
        units: ids.length,
      }
    },
  }
}

/** Its owner said nothing: whatever of it runs could not be reached. */
function silent(unit: UnitRecord | null): typeof none {
  const live = unit?.children.filter(({ result }) => result === null).length ?? 0
  return { ...none, signalled: live, unreachable: live }
}
