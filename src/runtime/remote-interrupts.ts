/** Stopping units that another process runs: asked for through the ledger, answered there. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Select, UnitRecord } from '../ledger/shapes.js'
import { watchChanges } from './ledger-changes.js'
import type { ProcessHold } from './process-hold.js'
import { sumOf, type InterruptReport, type StopReport } from './stop-report.js'

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
/** An owner that heard of it before its unit ended tells how it went this soon after the end, ms. */
const reportMs = 1_000
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

  /** Null: neither answered nor ended, or its answer may be on its way. */
  function answerOf(unit: UnitRecord | null, requestId: string, endSeenMs: Map<string, number>) {
    if (unit?.interruptReport?.requestId === requestId) return unit.interruptReport
    if (unit === null) return none
    if (unit.endedAt === null || unit.slotHeld) return null
    // Another stop may have been asked for since, and its answer is in the place of ours: it tells of the same children.
    if (unit.interruptReport !== null) return unit.interruptReport
    // An owner tells how it went when it knows, and that is after the end. Who says nothing by then had not heard of it.
    const nowMs = clock.monotonicMs()
    const seenMs = endSeenMs.get(unit.id) ?? nowMs
    endSeenMs.set(unit.id, seenMs)
    const endedBefore = unit.interrupt === null || unit.endedAt <= unit.interrupt.at
    return endedBefore || nowMs - seenMs >= reportMs ? none : null
  }

  async function answers(ids: readonly string[], requestId: string, withinMs: number) {
    const deadlineMs = clock.monotonicMs() + withinMs
    const changes = watchChanges(ledger, clock, [])
    const waiting = new Set(ids)
    const endSeenMs = new Map<string, number>()
    const reports: StopReport[] = []
    try {
      for (;;) {
        changes.reset()
        for (const id of waiting) {
          const unit = await ledger.get(id)
          const isLate = clock.monotonicMs() >= deadlineMs
          const answer = answerOf(unit, requestId, endSeenMs) ?? (isLate ? silent(unit) : null)
          if (answer === null) continue
          reports.push(answer)
          waiting.delete(id)
        }
        if (waiting.size === 0) return reports
        const isEnding = [...waiting].some((id) => endSeenMs.has(id))
        const leftMs = deadlineMs - clock.monotonicMs()
        await changes.wait(isEnding ? Math.min(leftMs, reportMs) : leftMs)
      }
    } finally {
      changes.stop()
    }
  }

  return {
    async stop(selects, reason, graceMs) {
      const ids = await foreign(selects)
      if (ids.length === 0) return { ...none, units: 0 }
      const requestId = randomUUID()
      await ledger.requestInterrupt({ ids }, { requestId, reason, graceMs })
      const reports = await hold.during(answers(ids, requestId, graceMs + answerMs))
      return { ...sumOf(reports), units: ids.length }
    },
  }
}

/** Its owner said nothing: whatever of it runs could not be reached. */
function silent(unit: UnitRecord | null): StopReport {
  const live = unit?.children.filter(({ result }) => result === null).length ?? 0
  return { ...none, signalled: live, unreachable: live }
}
