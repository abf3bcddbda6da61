import { DelegationError } from '../core/errors.js'

/** The ledger is an inner part: who asks a closed delegator hears of the delegator. */
export function asClosed(error: unknown): never {
  const isClosed = error instanceof DelegationError && error.code === 'LEDGER_CLOSED'
  throw isClosed ? new DelegationError('CLOSED', {}, error) : error
}
