import type { StopRequest } from '../core/completion.js'
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import { shownValue } from '../core/shown-value.js'
import type { Ledger } from '../ledger/ledger.js'
import type { InterruptRequest, Select, UnitDraft } from '../ledger/shapes.js'
import { createRemoteInterrupts } from './remote-interrupts.js'
import type { ResolvedOptions } from './options.js'
import { checkedNumber } from './checked.js'
import type { Child } from './child.js'
import { ownIndexes, unitsOfCall } from './groups.js'
import type { NestedUnits, StopTarget } from './nested-units.js'
import type { ProcessHold } from './process-hold.js'
import { sumOf, type InterruptReport } from './stop-report.js'
import type { Unit } from './unit.js'

export interface InterruptOptions {
  /** Reaches the children as their signal's reason, and the event of who did not stop by itself. @defaultValue 'interrupted' */
  readonly reason?: string
  /** How long children may go on before they are stopped by force, ms. @defaultValue the delegator's `interruptGraceMs` */
  readonly graceMs?: number
}

export interface UnitInterruptOptions extends InterruptOptions {
  /** This child alone, and what it has started; its siblings go on. From 0. @defaultValue all of them */
  readonly taskIndex?: number
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
  /** Units, here or in other processes; the id of a call that was split is that of all its units. */
  forIds(ids: readonly string[], options?: UnitInterruptOptions): Promise<InterruptReport>
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
  readonly nested: Pick<NestedUnits, 'stop'>
}

export function createInterrupts(given: InterruptsOptions): Interrupts {
  const { units, options, hold, ledger, clock, nested } = given
  const remote = createRemoteInterrupts({ ledger, clock, hold, isOurs: (id) => units.get(id) !== undefined })

  function stopTargets(
    targets: readonly StopTarget[],
    request: StopRequest,
    graceMs: number,
  ): Promise<InterruptReport> {
    return hold.during(nested.stop(targets, request, graceMs))
  }

  const stopUnits: Interrupts['stopUnits'] = (targets, request, graceMs) =>
    stopTargets(targets.map(wholeUnit), request, graceMs)

  function checked({ reason = 'interrupted', graceMs = options.interruptGraceMs }: InterruptOptions) {
    return { reason, graceMs: checkedNumber('graceMs', graceMs) }
  }

  /** Ours at once; those of other processes through the ledger, where there are any. */
  async function everywhere(
    own: readonly StopTarget[],
    selects: readonly Select[],
    interruptOptions: UnitInterruptOptions = {},
  ): Promise<InterruptReport> {
    const { reason, graceMs } = checked(interruptOptions)
    const child = interruptOptions.taskIndex ?? null
    const reports = await Promise.all([
      stopTargets(own, { cause: 'interrupted', reason }, graceMs),
      ...(ledger.info.shared ? [remote.stop(selects, { reason, graceMs, child })] : []),
    ])
    return sumOf(reports)
  }

  async function forIds(
    ids: readonly string[],
    interruptOptions: UnitInterruptOptions = {},
  ): Promise<InterruptReport> {
    const { taskIndex } = interruptOptions
    checked(interruptOptions)
    // All are known before the first is stopped; of our own no ledger is asked, nor waited for.
    const ours = ids.flatMap((id) => units.get(id)?.draft ?? [])
    const others = ids.filter((id) => units.get(id) === undefined)
    const elsewhere =
      others.length === 0 ? [] : await Promise.all(others.map((id) => unitsOfCall(ledger, id)))
    const found: readonly UnitDraft[] = [...ours, ...elsewhere.flat()]
    const chosen = taskIndex === undefined ? found : found.filter((unit) => hasChild(unit, taskIndex))
    if (chosen.length === 0 && found.length > 0) throw noSuchChild(found, taskIndex)
    const own = chosen.flatMap(({ id }) => units.get(id) ?? [])
    const foreign = chosen.map(({ id }) => id).filter((id) => units.get(id) === undefined)
    const targets = own.map((unit) => targetOf(unit, taskIndex))
    return everywhere(targets, foreign.length === 0 ? [] : [{ ids: foreign }], interruptOptions)
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
    forIds,
    async interrupt(targets, interruptOptions = {}) {
      const { reason, graceMs } = checked(interruptOptions)
      return stopUnits(targets, { cause: 'interrupted', reason }, graceMs)
    },
    forSession: (select, interruptOptions) =>
      everywhere(
        [...units.values()].filter((unit) => belongs(unit, select)).map(wholeUnit),
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
    async obey({ unitId, requestId, child, reason, graceMs }) {
      const unit = units.get(unitId)
      if (unit === undefined) return
      const targets =
        child === null || childOf(unit, child) !== null ? [targetOf(unit, child ?? undefined)] : []
      const report = await nested.stop(targets, { cause: 'interrupted', reason }, graceMs)
      await ledger.record(unit.hold, { interruptReport: { requestId, ...report } })
    },
  }
}

const wholeUnit = (unit: Unit): StopTarget => ({ unit, child: null })

/** Null for a child that is not its own, or that cannot be told from the others: one function runs all of them (R31). */
function childOf({ children, plan: { form } }: Unit, index: number): Child | null {
  return form === 'whole' ? null : (children.find((child) => child.index === index) ?? null)
}

/** @throws {DelegationError} OPTION_INVALID */
function targetOf(unit: Unit, taskIndex: number | undefined): StopTarget {
  if (taskIndex === undefined) return wholeUnit(unit)
  const child = childOf(unit, taskIndex)
  if (child !== null) return { unit, child }
  const expected = 'a child that can be stopped by itself: one function runs all of this batch'
  throw new DelegationError('OPTION_INVALID', { taskIndex, expected })
}

function hasChild(unit: UnitDraft, taskIndex: number): boolean {
  return ownIndexes(unit).includes(taskIndex)
}

function noSuchChild(found: readonly UnitDraft[], taskIndex: unknown): DelegationError {
  const indexes = found.flatMap(ownIndexes)
  const expected = `the index of a child, from ${Math.min(...indexes)} to ${Math.max(...indexes)}`
  return new DelegationError('OPTION_INVALID', { taskIndex: shownValue(taskIndex), expected })
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
