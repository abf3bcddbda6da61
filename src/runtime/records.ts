/** What `list`, `get` and refusals show of a unit: plain data, snake-case (R40). */
import type { Clock } from '../core/clock.js'
import { isLiveWord } from '../core/delegation.js'
import type { ErrorDetail } from '../core/event.js'
import type { JsonObject } from '../core/json.js'
import type { OpenQuestion } from '../core/question.js'
import type { SlotHolder } from '../core/refusal.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Delivery, Select, SlotHolderRecord, UnitDraft, UnitRecord } from '../ledger/shapes.js'
import { checkedCount } from './checked.js'
import type { Conversation } from './conversation.js'
import { ownIndexes, partsOfCall, unknownDelegation } from './groups.js'
import type { Unit } from './unit.js'
import { transcriptsOf } from './unit-event.js'

export interface ChildView {
  readonly task_index: number
  readonly goal: string
  /** `waiting`, `running`, `queued`, `input_required`, `auth_required`, `stalling`, `interrupting`, then its terminal word. */
  readonly state: string
  readonly progress?: JsonObject
  readonly seconds_since_activity?: number
  /** What it asks, and waits with. */
  readonly question?: OpenQuestion
  /** Its outcome is decided, but something of it still runs (P6). */
  readonly still_running?: boolean
}

export interface DelegationRecord {
  readonly delegation_id: string
  /** `running`, `stalling`, `interrupting`, then the terminal word. */
  readonly status: string
  /** Null until the unit has ended. */
  readonly delivery_state: Delivery['state'] | null
  readonly goal: string
  readonly goals?: readonly string[]
  readonly is_batch?: true
  /** Of one of several units of a call: the call, the name of its group, and which of `goals` are its own. */
  readonly call_id?: string
  readonly group?: string
  readonly task_indexes?: readonly number[]
  readonly context: string | null
  readonly toolsets: readonly string[] | null
  readonly role: string
  readonly model: string | null
  readonly session_key: string
  /** The caller's, as it was given. */
  readonly metadata?: JsonObject
  readonly dispatched_at: number
  readonly completed_at: number | null
  readonly owner_pid: number
  /** The `id` of the delegator that runs it, or ran it. */
  readonly owner: string
  /** The ended child that it goes on from. */
  readonly continues?: UnitRecord['continues']
  /** Paths of the children's transcripts, by index; absent where none are kept. */
  readonly live_transcripts?: Readonly<Record<string, string>>
  /** Of a unit that a child of another one started: that unit, and which of its children. */
  readonly parent_id?: string
  readonly parent_task_index?: number
  readonly children: readonly ChildView[]
  readonly error_detail?: ErrorDetail
}

export interface ListOptions {
  /** Only the units that children of this one have started. @defaultValue all */
  readonly parentId?: string
  /** Only those that were dispatched with this `originUiSessionId`. @defaultValue all */
  readonly originUiSessionId?: string
  /** Only the units that the call of this id was split into, in order. @defaultValue all */
  readonly callId?: string
  /** True: only live units. False: only those that have ended. @defaultValue both */
  readonly live?: boolean
  /** The newest so many. @defaultValue 10_000 */
  readonly limit?: number
}

export interface Records {
  list(options?: ListOptions): Promise<readonly DelegationRecord[]>
  get(id: string): Promise<DelegationRecord>
  holderOf(unit: SlotHolderRecord): SlotHolder
  holderOfUnit(unit: Unit): SlotHolder
}

interface RecordsOptions {
  readonly ledger: Ledger
  readonly units: Pick<ReadonlyMap<string, Unit>, 'get' | 'values'>
  readonly clock: Clock
}

/** Of units that have ended, a list shows the newest: nobody reads more, and to read them all takes long. */
const newestLimit = 1_000
const listLimit = 10_000
const shownGoalCharacters = 200

export function createRecords({ ledger, units, clock }: RecordsOptions): Records {
  async function recordsOf(found: readonly UnitRecord[]): Promise<readonly DelegationRecord[]> {
    // The event of an end, and with it its delivery, is there once the unit has ended.
    const ended = found.filter(({ endedAt }) => endedAt !== null)
    if (ended.length === 0) return found.map((unit) => recordOf(unit, units.get(unit.id), null))
    const select = { ids: ended.map(({ id }) => id) }
    const states = ['pending', 'claimed', 'delivered', 'dead', 'dropped', 'dismissed'] as const
    const deliveries = await ledger.deliveries(select, states, { limit: listLimit })
    const states_ = new Map(deliveries.map(({ eventId, state }) => [eventId, state]))
    return found.map((unit) => recordOf(unit, units.get(unit.id), states_.get(unit.id) ?? null))
  }

  const holder = (
    { id, goal, parentId }: Pick<UnitDraft, 'id' | 'goal' | 'parentId'>,
    seconds: number,
  ): SlotHolder => ({
    delegation_id: id,
    goal: goal.slice(0, shownGoalCharacters),
    running_seconds: Math.round(Math.max(0, seconds) * 10) / 10,
    ...(parentId !== null && { parent_id: parentId }),
  })

  return {
    async list({ live, limit = newestLimit, parentId, callId, originUiSessionId } = {}) {
      if (callId !== undefined) {
        const parts = await recordsOf(await partsOfCall(ledger, callId))
        return parts.filter(({ completed_at }) => live === undefined || live === (completed_at === null))
      }
      const select = selectOf(parentId, originUiSessionId)
      const newest = await ledger.list(select, live ?? null, { limit: checkedCount('limit', limit) })
      if (live !== undefined || !('all' in select)) return recordsOf(newest)
      // What is live is shown however old it is; then it is older than all of the newest.
      const alive = await ledger.list({ all: true }, true, { limit: listLimit })
      const shown = new Set(newest.map(({ id }) => id))
      return recordsOf([...newest, ...alive.filter(({ id }) => !shown.has(id))])
    },
    async get(id) {
      const unit = await ledger.get(id)
      const [record] = unit === null ? [] : await recordsOf([unit])
      if (record === undefined) {
        throw await unknownDelegation(ledger, id, 'it never was, or retention has dropped it')
      }
      return record
    },
    holderOf: (unit) => holder(unit, clock.now() - unit.admittedAt),
    holderOfUnit: (unit) => holder(unit.draft, unit.runningSeconds),
  }
}

function selectOf(parentId: string | undefined, originUiSessionId: string | undefined): Select {
  if (parentId !== undefined) return { parentId }
  return originUiSessionId === undefined ? { all: true } : { originUiSessionId }
}

function recordOf(
  unit: UnitRecord,
  live: Unit | undefined,
  deliveryState: Delivery['state'] | null,
): DelegationRecord {
  const { part } = unit
  const liveTranscripts = transcriptsOf(unit.transcripts)
  return {
    delegation_id: unit.id,
    status: unit.state,
    delivery_state: deliveryState,
    goal: unit.goal,
    ...(unit.goals !== null && { goals: unit.goals, is_batch: true as const }),
    ...(part && { call_id: part.callId, task_indexes: part.taskIndexes }),
    ...(part?.group && { group: part.group }),
    ...(unit.parentId !== null && { parent_id: unit.parentId }),
    ...(unit.parentTaskIndex !== undefined && { parent_task_index: unit.parentTaskIndex }),
    context: unit.context,
    toolsets: unit.toolsets,
    role: unit.role,
    model: unit.model,
    session_key: unit.route.sessionKey,
    ...(unit.metadata !== null && { metadata: unit.metadata }),
    dispatched_at: unit.admittedAt,
    completed_at: unit.endedAt,
    owner_pid: ownerPid(unit),
    owner: unit.owner,
    ...(unit.continues !== undefined && { continues: unit.continues }),
    ...(liveTranscripts !== null && { live_transcripts: liveTranscripts }),
    children: live === undefined ? recordedChildren(unit) : liveChildren(live),
  }
}

/** An owner's id begins with its pid. */
function ownerPid({ owner }: UnitRecord): number {
  return Number.parseInt(owner, 10) || 0
}

/** What is recorded with its unit only, a single child or those of one function (R31), ended as the unit did. */
function recordedChildren(unit: UnitRecord): ChildView[] {
  const { goal, goals, children, state, endedAt } = unit
  return ownIndexes(unit).map((index) => {
    const { state: known = 'waiting', question } = children[index] ?? {}
    return {
      task_index: index,
      goal: goals?.[index] ?? goal,
      state: endedAt !== null && (goals === null || isLiveWord(known)) ? state : known,
      ...(endedAt === null && question !== undefined && { question: question as unknown as OpenQuestion }),
    }
  })
}

/** Where one function runs all of a batch (R31), what is known of it is what is known of each. */
function liveChildren({ plan: { form }, draft: { goals }, children }: Unit): ChildView[] {
  const shown =
    form === 'whole' && goals !== null
      ? children.flatMap((child) => goals.map((goal, index) => ({ goal, index, child })))
      : children.map((child) => ({ goal: child.goal, index: child.index, child }))
  return shown.map(({ goal, index, child }) => {
    const { word, isLive, outcome, activity, secondsSinceActivity, conversation } = child
    return {
      task_index: index,
      goal,
      state: word,
      ...(activity?.progress && { progress: activity.progress }),
      ...(isLive && secondsSinceActivity !== null && { seconds_since_activity: secondsSinceActivity }),
      ...questionOf(conversation),
      ...(isLive && outcome !== null && { still_running: true }),
    }
  })
}

function questionOf(conversation: Conversation | null) {
  const [asked] = conversation?.questions.values() ?? []
  return asked === undefined ? {} : { question: asked.question }
}
