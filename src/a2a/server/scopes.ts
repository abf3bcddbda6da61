/**
 * Where things of a remote caller stand in the ledger. Units and events under these keys are there to be collected: no
 * drain ever gets them. A caller's name has no colon, so that no key of one caller is the beginning of another's.
 */
import type { DelegationRecord } from '../../index.js'
import type { Caller } from './callers.js'

/** What all units of a caller have in common. */
export const originOf = ({ name }: Caller): string => `a2a:${name}`

export const sessionOf = ({ name }: Caller, contextId: string): string => `a2a:${name}:${contextId}`

/** The session of the caller's push configurations. */
export const configSessionOf = ({ name }: Caller): string => `a2a-config:${name}`

/** The session of its notifications that are still to be delivered. */
export const pushSessionOf = ({ name }: Caller): string => `a2a-push:${name}`

/** The A2A context of a unit of the caller; null for one of anybody else, and for what a child of it started. */
export function contextOf(record: DelegationRecord, caller: Caller): string | null {
  const prefix = sessionOf(caller, '')
  if (record.parent_id !== undefined || !record.session_key.startsWith(prefix)) return null
  return record.session_key.slice(prefix.length)
}
