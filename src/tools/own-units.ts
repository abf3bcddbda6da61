/** Which units a model may see: those of its own conversation. Another's id is answered like one that never was. */
import type { DelegationRecord } from '../index.js'
import { DelegationError } from '../index.js'
import type { ToolHost } from './tool-spec.js'

/** A host without sessions owns what its process has dispatched. */
export function isOwn(
  { session_key: key, owner_pid: pid }: DelegationRecord,
  host: Pick<ToolHost, 'sessionKey'>,
): boolean {
  const own = host.sessionKey()
  return key === own && (own !== '' || pid === process.pid)
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
