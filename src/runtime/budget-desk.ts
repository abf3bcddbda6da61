/** What admission does about budgets: what a call is charged, why it is refused, and what is said when one runs low. */
import type { Logger } from 'pino'
import { amountText, budgetStop, noBudget, told, type Budget, type BudgetUse } from '../core/budget.js'
import { budgetRefusal, type Rejected } from '../core/refusal.js'
import type { Admission as LedgerAdmission, Charge, Spent, UnitDraft } from '../ledger/shapes.js'
import { budgetCharges, budgetNamed, warningsOf, type BudgetWarning } from './budget-charges.js'
import type { CallOptions } from './call-options.js'
import type { EventHub } from './events.js'
import type { ResolvedOptions } from './options.js'
import type { Records } from './records.js'
import type { UnitRequest } from './request.js'
import type { Unit } from './unit.js'
import type { UnitCosts } from './unit-costs.js'
import { UnitMeter } from './unit-meter.js'

type Refused = Extract<LedgerAdmission, { status: 'refused' }>

/** On what terms a call may be admitted. */
export interface BudgetTerms {
  readonly budget: Budget
  readonly parentMeter: UnitMeter | null
  /** Beside that of its slot. */
  readonly charges: readonly Charge[]
}

export interface BudgetDesk {
  /**
   * A call without a budget has the delegator's own; below another unit it has none, for it draws on what is reserved there.
   * Refused: a nested unit's own budget is larger than what is left above it.
   */
  terms(request: UnitRequest, call: CallOptions, draft: UnitDraft): BudgetTerms | Rejected
  /**
   * What each unit of an admitted call may use: its only one all of it; where it was split, they draw on one meter, and the
   * one that goes beyond it stops all of them.
   */
  shareOf(
    terms: BudgetTerms,
    drafts: readonly [UnitDraft, ...UnitDraft[]],
    unitsOfCall: () => readonly Unit[],
  ): Pick<BudgetTerms, 'budget' | 'parentMeter'>
  /** Null where the counter that is full is none of a budget. */
  refusal(refused: Refused, request: UnitRequest, { charges }: BudgetTerms): Rejected | null
  onNear(use: BudgetUse, draft: UnitDraft): void
  onSpent(spent: readonly Spent[] | undefined, draft: UnitDraft): void
}

interface DeskOptions {
  readonly options: ResolvedOptions
  readonly isShared: boolean
  readonly units: { get(id: string): { readonly costs: Pick<UnitCosts, 'meter'> } | undefined }
  readonly records: Pick<Records, 'holderOf'>
  readonly hub: EventHub
  readonly logger: Logger
}

export function createBudgetDesk({
  options,
  isShared,
  units,
  records,
  hub,
  logger,
}: DeskOptions): BudgetDesk {
  function warn(
    warning: Pick<BudgetWarning, 'scope' | 'counter' | 'limit' | 'used'>,
    { id, route }: UnitDraft,
  ): void {
    const whole = { ...warning, delegation_id: id, session_key: route.sessionKey }
    const message = warningText(whole)
    logger.warn(whole, message)
    hub.emit('budget', { ...whole, message })
  }

  const onNear = (use: BudgetUse, draft: UnitDraft): void => warn({ scope: 'unit', ...use }, draft)

  function nestedRefusal(budget: Budget, parent: UnitMeter, kind: 'single' | 'batch'): Rejected | null {
    for (const counter of ['tokens', 'cost_usd'] as const) {
      const wanted = counter === 'tokens' ? budget.tokens : budget.costMicros
      const room = parent.free(counter)
      if (wanted === null || room === null || wanted <= room.left) continue
      const [limit, inUse] = [told(counter, room.limit), told(counter, room.limit - room.left)]
      const facts = { counter, limit, inUse, spent: inUse, wanted: told(counter, wanted) }
      return budgetRefusal({ ...facts, scope: 'unit', holders: [], kind, configKey: null })
    }
    return null
  }

  return {
    terms(request, call, { parentId, childCount }) {
      // A nested unit runs in the process of the one above it.
      const parentMeter = parentId === null ? null : (units.get(parentId)?.costs.meter ?? null)
      const isNested = parentMeter !== null
      const budget = isNested && call.budget === undefined ? noBudget : request.budget
      const refusal = isNested ? nestedRefusal(budget, parentMeter, kindOf(request)) : null
      if (refusal !== null) return refusal
      const { sessionKey } = request
      const charges = budgetCharges({ sessionKey, childCount, budget, isNested }, options.budgets)
      return { budget, parentMeter, charges }
    },
    shareOf({ budget, parentMeter }, [first, ...others], unitsOfCall) {
      if (others.length === 0) return { budget, parentMeter }
      const meter = new UnitMeter(budget, parentMeter, {
        onNear: (use) => onNear(use, first),
        onExceeded(use) {
          for (const unit of unitsOfCall()) {
            if (unit.isLive) void unit.stop(budgetStop(use), options.interruptGraceMs)
          }
        },
      })
      return { budget: noBudget, parentMeter: meter }
    },
    refusal(refused, request, { charges }) {
      const name = budgetNamed(refused.counter)
      if (name === null) return null
      const { counter, scope, configKey } = name
      const wanted = charges.find((charge) => charge.counter === refused.counter)?.amount ?? 0
      return budgetRefusal({
        counter,
        limit: told(counter, refused.limit),
        inUse: told(counter, refused.inUse),
        spent: told(counter, refused.spent ?? 0),
        wanted: told(counter, wanted),
        scope: scope === 'session' ? 'session' : isShared ? 'ledger' : 'process',
        holders: refused.holders.map((unit) => records.holderOf(unit)),
        kind: kindOf(request),
        configKey,
      })
    },
    onNear,
    onSpent(spent, draft) {
      for (const warning of warningsOf(spent ?? [], options.budgets)) warn(warning, draft)
    },
  }
}

const kindOf = ({ form }: UnitRequest): 'single' | 'batch' => (form === 'single' ? 'single' : 'batch')

function warningText({
  scope,
  counter,
  limit,
  used,
  delegation_id,
  session_key,
}: Omit<BudgetWarning, 'message'>): string {
  const whose = {
    unit: `the delegation ${delegation_id}`,
    session: `the session ${session_key === '' ? '<cli>' : session_key}`,
    total: 'all sessions together',
  }[scope]
  const verb = counter === 'spawns' ? 'started' : 'used'
  return `${whose} ${scope === 'total' ? 'have' : 'has'} ${verb} ${amountText(counter, used)} of ${amountText(counter, limit)}`
}
