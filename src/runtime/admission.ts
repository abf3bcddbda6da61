/**
 * Admission: from a valid request to a unit that runs, or to a refusal that leaves nothing behind. Invariants:
 *
 * A1. Between counting and inserting nothing else runs: threads are reserved, and the ledger asked, in one tick (P1).
 * A2. What is refused, or cannot be handed over, leaves nothing behind (R15, R18).
 */
import type { Logger } from 'pino'
import type { Clock } from '../core/clock.js'
import { DelegationError } from '../core/errors.js'
import { failPoint } from '../core/fail-point.js'
import {
  capacityRefusal,
  keyReusedRefusal,
  scheduleFailure,
  threadsRefusal,
  type Rejected,
} from '../core/refusal.js'
import type { TurnoverMap } from '../core/turnover-map.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Admission as LedgerAdmission, Hold, UnitRecord } from '../ledger/shapes.js'
import type { Executor } from '../pool/executor.js'
import { createBudgetDesk, type BudgetTerms } from './budget-desk.js'
import type { EventHub } from './events.js'
import { maxThreadsBound, type ResolvedOptions } from './options.js'
import { withNewId } from './delegation-id.js'
import { dispatched, type Dispatched, type Drafts } from './dispatched.js'
import { callIdOf } from './groups.js'
import type { NestedUnits } from './nested-units.js'
import { draftsOf, planChildren } from './plan-unit.js'
import { createPatience } from './admit-within.js'
import { createChildLine } from './child-line.js'
import { createLeases } from './leases.js'
import { createChildRequests } from './child-requests.js'
import { keyOf } from './fingerprint.js'
import { throughGate } from './gate.js'
import type { ProcessHold } from './process-hold.js'
import type { Records } from './records.js'
import type { CallOptions } from './call-options.js'
import type { Asking } from './asking.js'
import type { UnitRequest } from './request.js'
import { createRefusalPace } from './refusal-pace.js'
import { rerunPlan } from './rerun-plan.js'
import type { UnitPlan } from './unit-plan.js'
import { makeTranscriptFolder } from './transcript-folder.js'
import { hasTooManyThreads, threadLimit, threadsFor } from './thread-demand.js'
import { createUnit } from './running-unit.js'
import type { Unit } from './unit.js'

export interface Admission {
  /** @throws {DelegationError} CLOSED */
  admit(request: UnitRequest, call: CallOptions): Promise<Dispatched | Rejected>
  /** Runs what a dead owner's unit had not finished. False when nothing of it may be run again. */
  rerun(hold: Hold, record: UnitRecord): boolean
  /** The counter that a unit of this session charges. */
  counterFor(sessionKey: string): string
}

export interface AdmissionDependencies {
  readonly options: ResolvedOptions
  readonly ledger: Ledger
  readonly ownerId: string
  readonly clock: Clock
  readonly logger: Logger
  /** Runs references. */
  readonly threads: Executor
  /** Runs plain functions. */
  readonly inline: Executor
  readonly hub: EventHub
  readonly hold: ProcessHold
  readonly records: Records
  readonly nested: NestedUnits
  readonly asking: Asking
  /** Live units of this delegator, by id: admission adds, the end of a unit takes away. */
  readonly units: TurnoverMap<string, Unit>
  /** Ids whose event is to be born claimed. */
  readonly collectors: ReadonlyMap<string, number>
  readonly closing: AbortSignal
}

const collectLeaseSeconds = 300
const loggedGoalCharacters = 80
/** Not even an empty counter is under it. */
const noLimitFits = -1

export function createAdmission(dependencies: AdmissionDependencies): Admission {
  const { options, ledger, ownerId, clock, logger } = dependencies
  const { hub, hold, records, nested, asking, units, collectors, closing } = dependencies
  const budgets = createBudgetDesk({ ...dependencies, isShared: ledger.info.shared })
  let threadsInUse = 0

  function assertOpen(): void {
    if (closing.aborted) throw new DelegationError('CLOSED')
  }

  function counterFor(sessionKey: string): string {
    if (options.capacityScope === 'process') return `units:${ownerId}`
    return options.capacityScope === 'session' ? `units:session:${sessionKey}` : 'units'
  }

  /** However long its caller waits. */
  const neverFits = (request: UnitRequest): boolean =>
    request.maxUnits === 0 || hasTooManyThreads(request, options)

  const kindOf = (request: UnitRequest): 'single' | 'batch' =>
    request.form === 'single' ? 'single' : 'batch'

  /** A1: everything up to the ledger's own step is one tick. */
  async function admitAs(
    id: string,
    request: UnitRequest,
    call: CallOptions,
  ): Promise<Dispatched | Rejected> {
    assertOpen()
    const wanted = threadsFor(request, options)
    const isShort = wanted > 0 && threadsInUse + wanted > threadLimit(request, options)
    // Who is refused for threads takes none from who comes in the same tick.
    const reserved = isShort ? 0 : wanted
    // Its slot is held already, and who waits for it holds a thread: it is not made to wait for others (P1).
    if (isShort && request.parent !== null) return threadsShort(request, wanted)
    threadsInUse += reserved
    let isStarted = false
    try {
      const drafts = draftsOf(request, call, options, id)
      const [first, ...joining] = drafts
      // Short of threads nothing may be admitted, but a known key is still answered, and a full cap still named.
      const limit = isShort ? noLimitFits : request.maxUnits
      const terms = budgets.terms(request, call, first)
      if ('status' in terms) return terms
      const charges = [{ counter: counterFor(request.sessionKey), amount: 1, limit }, ...terms.charges]
      failPoint('dispatch:before-admit')
      const admission = await ledger.admit(
        ownerId,
        first,
        charges,
        keyOf(request, call.idempotencyKey),
        joining,
      )
      if (admission.status === 'existing')
        return dispatched(draftsOf(request, call, options, callIdOf(admission.id, request.groups)))
      if (admission.status === 'key_reused') return await keyReused(admission.id, call.idempotencyKey ?? '')
      if (admission.status === 'refused') {
        const overBudget = budgets.refusal(admission, request, terms)
        if (overBudget !== null) return overBudget
        // What no free slot would change is said first; a cap of 0 is all that there is to say.
        const isFull = admission.inUse >= request.maxUnits && !hasTooManyThreads(request, options)
        return isShort && request.maxUnits > 0 && !isFull
          ? threadsShort(request, wanted)
          : full(request, admission)
      }
      const outcome = await launch(request, terms, drafts, admission.hold.fence, wanted)
      isStarted = outcome.status === 'dispatched'
      if (isStarted) budgets.onSpent(admission.spent, first)
      return outcome
    } finally {
      if (!isStarted) threadsInUse -= reserved
    }
  }

  const admitOnce = (request: UnitRequest, call: CallOptions): Promise<Dispatched | Rejected> =>
    withNewId(clock.now(), (id) => admitAs(id, request, call))

  function full(request: UnitRequest, refused: Extract<LedgerAdmission, { status: 'refused' }>): Rejected {
    const holders = refused.holders.map((unit) => records.holderOf(unit))
    const facts = { limit: request.maxUnits, inUse: refused.inUse, scope: options.capacityScope, holders }
    return capacityRefusal({ ...facts, kind: kindOf(request) })
  }

  function threadsShort(request: UnitRequest, wanted: number): Rejected {
    const holders = [...units.values()].map((unit) => records.holderOfUnit(unit))
    const facts = {
      limit: threadLimit(request, options),
      inUse: threadsInUse,
      scope: 'process',
      holders,
    } as const
    return threadsRefusal({ ...facts, kind: kindOf(request), wanted, highestLimit: maxThreadsBound })
  }

  async function keyReused(id: string, key: string): Promise<Rejected> {
    const unit = await ledger.get(id)
    const holder =
      unit === null ? { delegation_id: id, goal: '', running_seconds: 0 } : records.holderOf(unit)
    return keyReusedRefusal(key, holder, options.capacityScope)
  }

  /** A2: the units of one call start together, or not at all. */
  async function launch(
    request: UnitRequest,
    terms: BudgetTerms,
    drafts: Drafts,
    fence: number,
    wanted: number,
  ) {
    const withdraw = async (): Promise<void> => {
      for (const { id } of drafts) await ledger.withdraw({ id, fence })
    }
    if (closing.aborted) {
      await withdraw()
      throw new DelegationError('CLOSED')
    }
    if (request.parent?.child.goesOn === false) {
      await withdraw()
      return scheduleFailure('the child that asked for it was stopped', kindOf(request))
    }
    const line = createChildLine(request.children.length, options.maxConcurrentChildren)
    let liveUnits = drafts.length
    const onGone = (): void => {
      liveUnits -= 1
      if (liveUnits === 0) threadsInUse -= wanted
    }
    const share = budgets.shareOf(terms, drafts, () => started)
    const started: readonly Unit[] = drafts.map((draft) => {
      const children = planChildren(request, draft, options, dependencies)
      const { form, tells, parent, deadlineSeconds } = request
      const plan = { form, draft, hold: { id: draft.id, fence }, children, tells, line, parent }
      return unitOf({ ...plan, deadlineSeconds, ...share }, onGone)
    })
    failPoint('dispatch:admitted')
    try {
      // Only the first child of the first unit is handed over at once, and can fail to be.
      for (const unit of started) unit.start()
    } catch (error) {
      await withdraw()
      return scheduleFailure(error instanceof Error ? error.message : String(error), kindOf(request))
    }
    for (const unit of started) enter(unit, request)
    failPoint('dispatch:started')
    return dispatched(drafts)
  }

  function enter(unit: Unit, request: UnitRequest): void {
    const { draft } = unit
    const { id, goal, transcripts } = draft
    units.set(id, unit)
    nested.add(unit)
    if (transcripts !== null) void makeTranscriptFolder(draft, clock.now())
    if (logger.isLevelEnabled('info')) {
      const session = draft.route.sessionKey || '<cli>'
      logger.info({ delegation_id: id, session, goal: goal.slice(0, loggedGoalCharacters) }, 'dispatched')
    }
    unit.tellDispatched(false)
    request.parent?.onStarted(unit)
    request.onStarted?.(unit)
  }

  function unitOf(
    plan: Pick<UnitPlan, 'form' | 'draft' | 'hold' | 'children' | 'tells' | 'line'> & Partial<UnitPlan>,
    onGone: () => void,
  ): Unit {
    const { id } = plan.draft
    const unit: Unit = createUnit(
      { recorded: [], admittedAt: null, parent: null, ...plan },
      {
        clock,
        ledger,
        hub,
        nested,
        graceMs: options.interruptGraceMs,
        onRequest: hear,
        publish: (event) => ledger.publish(ownerId, event),
        asking,
        onBudgetNear: budgets.onNear,
        onSpent: budgets.onSpent,
        collector: () =>
          collectors.has(id) ? { consumer: ownerId, leaseSeconds: collectLeaseSeconds } : null,
        onGone: () => {
          onGone()
          units.delete(id)
          nested.remove(unit)
          if (hub.isHeard('gone')) hub.emit('gone', { delegation_id: id })
        },
      },
    )
    return unit
  }

  /** A unit whose owner died holds its slot already: it is not admitted a second time. */
  function rerun(held: Hold, record: UnitRecord): boolean {
    const plan = rerunPlan(held, record, options, dependencies)
    if (closing.aborted || plan === null) return false
    const threads = Math.min(plan.children.length, options.maxConcurrentChildren)
    const line = createChildLine(plan.children.length, options.maxConcurrentChildren)
    const unit = unitOf({ ...plan, line }, () => (threadsInUse -= threads))
    threadsInUse += threads
    failPoint('rerun:before-start')
    try {
      unit.start()
    } catch {
      threadsInUse -= threads
      return false
    }
    units.set(unit.id, unit)
    unit.tellDispatched(true)
    logger.info({ delegation_id: unit.id }, 'taken over')
    return true
  }

  async function admit(asked: UnitRequest, call: CallOptions): Promise<Dispatched | Rejected> {
    const request = throughGate(asked, options.gate)
    const outcome =
      request.admitWithinMs > 0 ? await patience.admit(request, call) : await admitOnce(request, call)
    if (outcome.status === 'dispatched' || outcome.refusal === undefined) return outcome
    hub.emit('refused', outcome)
    const rest = restOfStorm()
    if (rest !== null) await rest
    return outcome
  }

  const restOfStorm = createRefusalPace(clock, hold)
  const hear = createChildRequests({ options, nested, asking, leases: createLeases(clock), admit })
  const patience = createPatience({ admitOnce, neverFits, ledger, clock, hold, closing })

  return { admit, rerun, counterFor }
}
