import type { StopRequest } from '../core/completion.js'
import type { ResolvedOptions } from './options.js'
import { checkedNumber } from './checked.js'
import type { ProcessHold } from './process-hold.js'
import type { StopReport } from './stop-report.js'
import type { Unit } from './unit.js'

export interface InterruptOptions {
  /** Reaches the children as their signal's reason, and the event of who did not stop by itself. @defaultValue 'interrupted' */
  readonly reason?: string
  /** How long children may go on before they are stopped by force, ms. @defaultValue the delegator's `interruptGraceMs` */
  readonly graceMs?: number
}

/** Any non-empty selector that equals a unit's own counts (spec 2.11). */
export interface SessionSelect {
  readonly sessionKey?: string
  readonly originUiSessionId?: string
  readonly parentSessionId?: string
}

/** Live children at the time, and how each came to its end; `units` is how many units they belonged to. */
export interface InterruptReport extends StopReport {
  readonly units: number
}

export interface Interrupts {
  interrupt(units: readonly Unit[], options?: InterruptOptions): Promise<InterruptReport>
  forSession(select: SessionSelect, options?: InterruptOptions): Promise<InterruptReport>
  stopUnits(units: readonly Unit[], request: StopRequest, graceMs: number): Promise<InterruptReport>
}

interface InterruptsOptions {
  readonly units: Pick<ReadonlyMap<string, Unit>, 'get' | 'values'>
  readonly options: ResolvedOptions
  readonly hold: ProcessHold
}

export function createInterrupts({ units, options, hold }: InterruptsOptions): Interrupts {
  async function stopUnits(
    targets: readonly Unit[],
    request: StopRequest,
    graceMs: number,
  ): Promise<InterruptReport> {
    const live = targets.filter((unit) => unit.isLive)
    const reports = await hold.during(Promise.all(live.map((unit) => unit.stop(request, graceMs))))
    const sum = (field: keyof StopReport): number =>
      reports.reduce((total, report) => total + report[field], 0)
    return {
      signalled: sum('signalled'),
      stopped: sum('stopped'),
      escalated: sum('escalated'),
      unreachable: sum('unreachable'),
      units: live.length,
    }
  }

  async function interrupt(
    targets: readonly Unit[],
    interruptOptions: InterruptOptions = {},
  ): Promise<InterruptReport> {
    const { reason = 'interrupted', graceMs = options.interruptGraceMs } = interruptOptions
    checkedNumber('graceMs', graceMs)
    return stopUnits(targets, { cause: 'interrupted', reason }, graceMs)
  }

  function belongs({ draft: { route } }: Unit, select: SessionSelect): boolean {
    const pairs = [
      [select.sessionKey, route.sessionKey],
      [select.originUiSessionId, route.originUiSessionId],
      [select.parentSessionId, route.parentSessionId],
    ]
    return pairs.some(([wanted, own]) => wanted !== undefined && wanted !== '' && wanted === own)
  }

  return {
    stopUnits,
    interrupt,
    forSession: (select, interruptOptions) =>
      interrupt(
        [...units.values()].filter((unit) => belongs(unit, select)),
        interruptOptions,
      ),
  }
}
