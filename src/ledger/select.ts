import type { AsyncDelegationEvent } from '../core/event.js'
import { assertNever } from '../core/errors.js'
import type { Select, UnitDraft } from './shapes.js'

/** What a selector is held against: a unit's or an event's proof of ownership. */
export interface Belonging {
  readonly id: string
  /** Of an event that is not its unit's final one. */
  readonly eventId?: string
  /** The owner that dispatched or published it; a take-over does not change it. */
  readonly dispatchedBy: string
  readonly sessionKey: string
  readonly parentSessionId: string | null
  /** Of a unit that another one's child started. */
  readonly parentId: string | null
  readonly originUiSessionId: string
}

/** True when `select` proves ownership. An empty selector proves nothing; an empty session key needs `dispatchedBy`. */
export function matches(select: Select, what: Belonging): boolean {
  if ('all' in select) return true
  if ('ids' in select) {
    return select.ids.includes(what.id) || (what.eventId !== undefined && select.ids.includes(what.eventId))
  }
  if ('eventIds' in select) return select.eventIds.includes(what.eventId ?? what.id)
  if ('sessionKey' in select) {
    const { sessionKey, dispatchedBy, parentSessionId } = select
    if (what.sessionKey !== sessionKey) return false
    if (parentSessionId !== undefined && what.parentSessionId !== parentSessionId) return false
    return dispatchedBy === undefined ? sessionKey !== '' : what.dispatchedBy === dispatchedBy
  }
  if ('parentSessionId' in select) {
    return select.parentSessionId !== '' && what.parentSessionId === select.parentSessionId
  }
  if ('parentId' in select) return what.parentId === select.parentId
  if ('originUiSessionId' in select) {
    return select.originUiSessionId !== '' && what.originUiSessionId === select.originUiSessionId
  }
  if ('dispatchedBy' in select) return what.dispatchedBy === select.dispatchedBy
  return assertNever(select)
}

/** True when a claim by `select` takes what is there to be collected, too. */
export const pulls = (select: Select): boolean =>
  'ids' in select || ('eventIds' in select && select.pull === true)

export function belongingOfUnit(unit: UnitDraft, dispatchedBy: string): Belonging {
  return {
    id: unit.id,
    dispatchedBy,
    sessionKey: unit.route.sessionKey,
    parentSessionId: unit.route.parentSessionId,
    parentId: unit.parentId,
    originUiSessionId: unit.route.originUiSessionId,
  }
}

export function belongingOfEvent(event: AsyncDelegationEvent, dispatchedBy: string): Belonging {
  return {
    id: event.delegation_id,
    ...(event.event_id !== undefined && { eventId: event.event_id }),
    dispatchedBy,
    sessionKey: event.session_key,
    parentSessionId: event.parent_session_id ?? null,
    parentId: null,
    originUiSessionId: event.origin_ui_session_id ?? '',
  }
}
