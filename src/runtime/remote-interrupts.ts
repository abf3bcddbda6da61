/** Stopping units that another process runs: asked for through the ledger, answered there. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.js'
import type { Ledger } from '../ledger/ledger.js'
import type { InterruptRequest, Select, UnitRecord } from '../ledger/shapes.js'
import { ownIndexes } from './groups.js'
import { watchChanges } from './ledger-changes.js'
import type { ProcessHold } from './process-hold.js'
import { sumOf, type InterruptReport, type StopReport } from './stop-report.js'

export interface RemoteInterrupts {
  /** Asks the owners of what matches, and waits for their answers; who does not answer in time is unreachable. */
  stop(
    selects: readonly Select[],
    request: Pick<InterruptRequest, 'child' | 'reason' | 'graceMs'>,
  ): Promise<InterruptReport>
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
    const units = new Map(found.flat().map((unit) => [unit.id, unit]))
    // What is below another one is stopped, and counted, with that.
    const isBelow = ({ parentId }: UnitRecord): boolean => parentId !== null && units.has(parentId)
    return [...units.values()].filter((unit) => !isOurs(unit.id) && !isBelow(unit)).map(({ id }) => id)
  }

  /** Null: neither answered nor ended, or its answer may be on its way. */
  function answerOf(unit: UnitRecord | null, requestId: string, endSeenMs: Map<string, number>) {
    if (unit === null) return none
    const answer = unit.interruptReports.find((report) => report.requestId === requestId)
    if (answer !== undefined) return answer
    if (unit.endedAt === null || unit.slotHeld) return null
    // It ended before it heard of this: by another stop, which tells of the same children,
    const other = unit.interruptReports.at(-1)
    if (other !== undefined) return other
    // or by itself, if its owner does not soon say otherwise: how it went is known after the end only.
    const nowMs = clock.monotonicMs()
    const seenMs = endSeenMs.get(unit.id) ?? nowMs
    endSeenMs.set(unit.id, seenMs)
    const asked = unit.interrupts.find((request) => request.requestId === requestId)
    return asked === undefined || unit.endedAt <= asked.at || nowMs - seenMs >= reportMs ? none : null
  }

  async function answers(ids: readonly string[], requestId: string, withinMs: number) {
    const deadlineMs = clock.monotonicMs() + withinMs
    const changes = watchChanges(ledger, clock, [])
    const waiting = new Set(ids)
    const endSeenMs = new Map<string, number>()
    const reports: (StopReport & { readonly units?: number })[] = []
    try {
      for (;;) {
        changes.reset()
        for (const id of waiting) {
          const unit = await ledger.get(id)
          const isLate = clock.monotonicMs() >= deadlineMs
          const answer = answerOf(unit, requestId, endSeenMs) ?? (isLate ? await silent(ledger, unit) : null)
          if (answer === null) continue
          reports.push({ units: 1, ...answer })
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
    async stop(selects, { reason, graceMs, child }) {
      const ids = await foreign(selects)
      if (ids.length === 0) return { ...none, units: 0 }
      const requestId = randomUUID()
      await ledger.requestInterrupt({ ids }, { requestId, child, reason, graceMs })
      const reports = await hold.during(answers(ids, requestId, graceMs + answerMs))
      return sumOf(reports)
    },
  }
}

/** Its owner said nothing: whatever of it, and of what is below it, runs could not be reached. */
async function silent(ledger: Ledger, unit: UnitRecord | null): Promise<InterruptReport> {
  if (unit === null) return { ...none, units: 1 }
  const live = ownIndexes(unit).filter((index) => (unit.children[index]?.result ?? null) === null).length
  const below = await ledger.list({ parentId: unit.id }, true, { limit: Number.MAX_SAFE_INTEGER })
  const reports = await Promise.all(below.map((nested) => silent(ledger, nested)))
  return sumOf([{ ...none, signalled: live, unreachable: live, units: 1 }, ...reports])
}
