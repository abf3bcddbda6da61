import type { StopRequest } from '../core/completion.js'
import type { Clock } from '../core/clock.js'
import type { Ledger } from '../ledger/ledger.js'
import type { InterruptRequest, Select } from '../ledger/shapes.js'
import { createRemoteInterrupts } from './remote-interrupts.js'
import type { ResolvedOptions } from './options.js'
import { checkedNumber } from './checked.js'
import type { ProcessHold } from './process-hold.js'
import { sumOf, type InterruptReport } from './stop-report.js'
import type { Unit } from './unit.js'

export interface InterruptOptions {
  /** Reaches the children as their signal's reason, and the event of who did not stop by itself. @defaultValue 'interrupted' */
  readonly reason?: string
  /** How long children may go on before they are stopped by force, ms. @defaultValue the delegator's `interruptGraceMs` */
  readonly graceMs?: number
}

/** Any non-empty selector that equals a unit's own counts (spec 2.11). */
export interface SessionSelect {
  /** Every unit of the ledger, whoever dispatched it. @defaultValue false */
  readonly all?: boolean
  /** Units, by their ids. @defaultValue none */
  readonly ids?: readonly string[]
  readonly sessionKey?: string
  readonly originUiSessionId?: string
  readonly parentSessionId?: string
}

export interface Interrupts {
  interrupt(units: readonly Unit[], options?: InterruptOptions): Promise<InterruptReport>
  /** One unit, here or in another process. */
  forId(id: string, options?: InterruptOptions): Promise<InterruptReport>
  forSession(select: SessionSelect, options?: InterruptOptions): Promise<InterruptReport>
  stopUnits(units: readonly Unit[], request: StopRequest, graceMs: number): Promise<InterruptReport>
  /** Stops at once what other owners have taken over, while this process was thought dead. */
  giveUpLost(): Promise<void>
  /** Does what another process asked for, and records how it went. */
  obey(request: InterruptRequest): Promise<void>
}

interface InterruptsOptions {
  readonly units: Pick<ReadonlyMap<string, Unit>, 'get' | 'values'>
  readonly options: ResolvedOptions
  readonly hold: ProcessHold
  readonly ledger: Ledger
  readonly clock: Clock
}

export function createInterrupts({ units, options, hold, ledger, clock }: InterruptsOptions): Interrupts {
  const remote = createRemoteInterrupts({ ledger, clock, hold, isOurs: (id) => units.get(id) !== undefined })

  async function stopUnits(
    targets: readonly Unit[],
    request: StopRequest,
    graceMs: number,
  ): Promise<InterruptReport> {
    const live = targets.filter((unit) => unit.isLive)
    const reports = await hold.during(Promise.all(live.map((unit) => unit.stop(request, graceMs))))
    return { ...sumOf(reports), units: live.length }
  }

  async function interrupt(
    targets: readonly Unit[],
    interruptOptions: InterruptOptions = {},
  ): Promise<InterruptReport> {
    const { reason, graceMs } = checked(interruptOptions)
    return stopUnits(targets, { cause: 'interrupted', reason }, graceMs)
  }

  function checked({ reason = 'interrupted', graceMs = options.interruptGraceMs }: InterruptOptions) {
    return { reason, graceMs: checkedNumber('graceMs', graceMs) }
  }

  /** Ours at once; those of other processes through the ledger, where there are any. */
  async function everywhere(
    own: readonly Unit[],
    selects: readonly Select[],
    interruptOptions: InterruptOptions = {},
  ): Promise<InterruptReport> {
    const { reason, graceMs } = checked(interruptOptions)
    const reports = await Promise.all([
      stopUnits(own, { cause: 'interrupted', reason }, graceMs),
      ...(ledger.info.shared ? [remote.stop(selects, { reason, graceMs, child: null })] : []),
    ])
    return sumOf(reports)
  }

  function belongs({ id, draft: { route } }: Unit, select: SessionSelect): boolean {
    if (select.all === true || select.ids?.includes(id) === true) return true
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
    forId(id, interruptOptions) {
      const unit = units.get(id)
      return unit === undefined
        ? everywhere([], [{ ids: [id] }], interruptOptions)
        : interrupt([unit], interruptOptions)
    },
    forSession: (select, interruptOptions) =>
      everywhere(
        [...units.values()].filter((unit) => belongs(unit, select)),
        selectsOf(select),
        interruptOptions,
      ),
    async giveUpLost() {
      for (const unit of [...units.values()]) {
        if (!unit.isLive) continue
        const known = await ledger.get(unit.id)
        if (known?.fence === unit.hold.fence) continue
        void stopUnits([unit], { cause: 'interrupted', reason: 'another process has taken it over' }, 0)
      }
    },
    async obey({ unitId, requestId, reason, graceMs }) {
      const unit = units.get(unitId)
      if (unit === undefined) return
      const report = await unit.stop({ cause: 'interrupted', reason }, graceMs)
      await ledger.record(unit.hold, { interruptReport: { requestId, ...report } })
    },
  }
}

/** The ledger's selectors of a session: each alone proves that a unit belongs. */
function selectsOf({
  all,
  ids = [],
  sessionKey,
  originUiSessionId,
  parentSessionId,
}: SessionSelect): readonly Select[] {
  if (all === true) return [{ all: true }]
  return [
    ...(ids.length > 0 ? [{ ids }] : []),
    ...(sessionKey !== undefined && sessionKey !== '' ? [{ sessionKey }] : []),
    ...(originUiSessionId !== undefined && originUiSessionId !== '' ? [{ originUiSessionId }] : []),
    ...(parentSessionId !== undefined && parentSessionId !== '' ? [{ parentSessionId }] : []),
  ]
}
