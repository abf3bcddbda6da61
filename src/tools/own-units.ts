/** Which units a model may see: those of its own conversation. Another's id is answered like one that never was. */
import type { DelegationRecord } from '../index.js'
import { DelegationError } from '../index.js'
import type { ToolHost } from './tool-spec.js'

/** A host without sessions owns what its own delegator runs (DESIGN 4): an empty key proves nothing. */
export function isOwn(
  { session_key: key, owner }: DelegationRecord,
  host: Pick<ToolHost, 'delegator' | 'sessionKey'>,
): boolean {
  const own = host.sessionKey()
  return key === own && (own !== '' || owner === host.delegator.id)
}

/** Null for an id that never was, and for another conversation's. */
export async function ownUnit(
  id: string,
  host: Pick<ToolHost, 'delegator' | 'sessionKey'>,
): Promise<DelegationRecord | null> {
  try {
    const record = await host.delegator.get(id)
    return isOwn(record, host) ? record : null
  } catch (error) {
    if (error instanceof DelegationError && error.code === 'UNKNOWN_DELEGATION') return null
    throw error
  }
}

/** The unit of this id, or those that the call of this id was split into; none for what is not one's own. */
export async function ownUnitsOf(id: string, host: ToolHost): Promise<readonly DelegationRecord[]> {
  const unit = await ownUnit(id, host)
  if (unit !== null) return [unit]
  const parts = await host.delegator.list({ callId: id })
  return parts.filter((part) => isOwn(part, host))
}
