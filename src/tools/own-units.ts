/** Which units a model may see: those of its own conversation. Another's id is answered like one that never was. */
import type { DelegationRecord } from '../index.js'
import { DelegationError } from '../index.js'
import type { ToolHost } from './tool-spec.js'

type Asker = Pick<ToolHost, 'delegator' | 'sessionKey'> & Partial<Pick<ToolHost, 'child'>>

/** A host without sessions owns what its own delegator runs (DESIGN 4): an empty key proves nothing. */
export function isOwn(
  { session_key: key, owner }: DelegationRecord,
  host: Pick<ToolHost, 'delegator' | 'sessionKey'>,
): boolean {
  const own = host.sessionKey()
  return key === own && (own !== '' || owner === host.delegator.id)
}

/** Null for an id that never was, and for another conversation's. */
export async function ownUnit(id: string, host: Asker): Promise<DelegationRecord | null> {
  const record = await recordOf(id, host)
  return record !== null && (await isSeen(record, host)) ? record : null
}

/** The unit of this id, or those that the call of this id was split into; none for what is not one's own. */
export async function ownUnitsOf(id: string, host: Asker): Promise<readonly DelegationRecord[]> {
  const unit = await ownUnit(id, host)
  if (unit !== null) return [unit]
  return seenOf(await host.delegator.list({ callId: id }), host)
}

/** Those that run now. */
export async function ownLiveUnits(host: Asker): Promise<readonly DelegationRecord[]> {
  return seenOf(await host.delegator.list({ live: true }), host)
}

async function seenOf(
  records: readonly DelegationRecord[],
  host: Asker,
): Promise<readonly DelegationRecord[]> {
  const seen = await Promise.all(records.map((record) => isSeen(record, host)))
  return records.filter((_record, index) => seen[index])
}

/** A child sees what runs below it, and nothing of its siblings (spec 4.8). */
async function isSeen(record: DelegationRecord, host: Asker): Promise<boolean> {
  if (!isOwn(record, host)) return false
  const { child = null } = host
  if (child === null) return true
  let above: DelegationRecord | null = record
  while (above?.parent_id !== undefined) {
    const { parent_id: parent, parent_task_index: index }: DelegationRecord = above
    if (parent === child.delegationId && index === child.taskIndex) return true
    above = await recordOf(parent, host)
  }
  return false
}

async function recordOf(id: string, { delegator }: Asker): Promise<DelegationRecord | null> {
  try {
    return await delegator.get(id)
  } catch (error) {
    if (error instanceof DelegationError && error.code === 'UNKNOWN_DELEGATION') return null
    throw error
  }
}
