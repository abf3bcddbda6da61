/** Several units of one call (spec 2.10): which tasks go together, and what their units are called. */
import { DelegationError } from '../core/errors.js'
import { batchLabel } from '../core/batch.js'
import { kindOf } from '../core/shown-value.js'
import type { Ledger } from '../ledger/ledger.js'
import type { CallPart, UnitDraft, UnitRecord } from '../ledger/shapes.js'

/** Tasks of a call that end together; `group` is null for one that stands alone. */
export interface TaskGroup {
  readonly group: string | null
  readonly taskIndexes: readonly number[]
}

/** Each unit of a call wakes its host by itself, and its record holds all goals of the call. */
const mostUnits = 100
const groupCharacters = 200

/**
 * One for each distinct group, in the order of their first tasks, and one for each task without; null where they come to
 * a single unit without a name, which is a batch like any other.
 * @throws {DelegationError} GROUPS_TOO_MANY
 */
export function taskGroups(groups: readonly (string | null)[]): readonly TaskGroup[] | null {
  const found: { readonly group: string | null; readonly taskIndexes: number[] }[] = []
  const named = new Map<string, number[]>()
  for (const [index, group] of groups.entries()) {
    const siblings = group === null ? undefined : named.get(group)
    if (siblings !== undefined) {
      siblings.push(index)
      continue
    }
    const taskIndexes = [index]
    found.push({ group, taskIndexes })
    if (group !== null) named.set(group, taskIndexes)
  }
  if (found.length > mostUnits) {
    throw new DelegationError('GROUPS_TOO_MANY', { units: found.length, at_most: mostUnits })
  }
  return found.length === 1 && found[0]?.group === null ? null : found
}

/** @throws {DelegationError} OPTION_INVALID */
export function checkedGroup(group: unknown, where: string): string | null {
  if (group === undefined || group === null) return null
  const isName = typeof group === 'string' && group.trim() !== '' && group.length <= groupCharacters
  if (isName) return group
  const given = typeof group === 'string' ? `${group.length} characters` : kindOf(group)
  throw new DelegationError('OPTION_INVALID', {
    group: given + where,
    expected: `a name of at most ${groupCharacters} characters`,
  })
}

/**
 * One draft for each group of a call, made from that of the whole call: they share the first one's slot (P2).
 * @param pathOf where the transcript of a task of a unit goes
 */
export function partDrafts(
  whole: UnitDraft,
  groups: readonly TaskGroup[],
  pathOf: (unitId: string, taskIndex: number) => string | null,
): readonly UnitDraft[] {
  const unitCount = groups.length
  const idOf = (position: number): string => partId(whole.id, position, unitCount)
  return groups.map(({ group, taskIndexes }, position) => {
    const id = idOf(position)
    const own = new Set(taskIndexes)
    const paths = whole.transcripts?.map((_path, index) => (own.has(index) ? pathOf(id, index) : null))
    return {
      ...whole,
      id,
      slotKey: idOf(0),
      goal: batchLabel((whole.goals ?? []).filter((_goal, index) => own.has(index))),
      transcripts: paths ?? null,
      part: { callId: whole.id, unitCount, group, taskIndexes },
    }
  })
}

function partId(callId: string, position: number, unitCount: number): string {
  return unitCount === 1 ? callId : `${callId}-${position + 1}`
}

/** The id of the call that a unit belongs to, given the call's groups. */
export function callIdOf(firstUnitId: string, groups: readonly TaskGroup[] | null): string {
  return groups === null || groups.length === 1 ? firstUnitId : firstUnitId.slice(0, -'-1'.length)
}

/** One of the units that a call was split into. */
export interface PartHandle {
  readonly delegationId: string
  readonly group: string | null
  /** The tasks of the call that are its own, from 0. */
  readonly taskIndexes: readonly number[]
}

/** What a handle says of one unit of a call. */
export function partHandle(draft: UnitDraft): PartHandle {
  return { delegationId: draft.id, group: draft.part?.group ?? null, taskIndexes: ownIndexes(draft) }
}

/** Indexes, within the call, of the children that are this unit's own. */
export function ownIndexes({ part, childCount }: UnitDraft): readonly number[] {
  return part?.taskIndexes ?? Array.from({ length: childCount }, (_, index) => index)
}

/**
 * The unit of this id, live or not; or the live ones of the call of this id, if any still live.
 * @throws {DelegationError} UNKNOWN_DELEGATION
 */
export async function unitsOfCall(ledger: Ledger, id: string): Promise<readonly UnitRecord[]> {
  const unit = await ledger.get(id)
  if (unit !== null) return [unit]
  const live = await ledger.list({ all: true }, true, { limit: Number.MAX_SAFE_INTEGER })
  const parts = live.filter(({ part }) => part?.callId === id)
  if (parts.length > 0 || (await firstPartOf(ledger, id)) !== null) return parts
  throw new DelegationError('UNKNOWN_DELEGATION', { id, note: 'it never was, or retention has dropped it' })
}

/** Those that are kept of the units that a call was split into; none for any other id. */
export async function partsOfCall(ledger: Ledger, callId: string): Promise<readonly UnitRecord[]> {
  const unitCount = (await firstPartOf(ledger, callId))?.unitCount ?? 0
  const ids = Array.from({ length: unitCount }, (_, position) => partId(callId, position, unitCount))
  const units = await Promise.all(ids.map((id) => ledger.get(id)))
  return units.filter((unit) => unit !== null)
}

async function firstPartOf(ledger: Ledger, callId: string): Promise<CallPart | null> {
  const part = (await ledger.get(partId(callId, 0, 2)))?.part
  return part?.callId === callId ? part : null
}

/** Of an id that names no unit: a call that was split says which units it has. */
export async function unknownDelegation(ledger: Ledger, id: string, note: string): Promise<DelegationError> {
  const part = await firstPartOf(ledger, id)
  if (part === null) return new DelegationError('UNKNOWN_DELEGATION', { id, note })
  const last = partId(id, part.unitCount - 1, part.unitCount)
  return new DelegationError('UNKNOWN_DELEGATION', {
    id,
    note: `it is a call of ${part.unitCount} units, ${partId(id, 0, 2)} to ${last}`,
  })
}
