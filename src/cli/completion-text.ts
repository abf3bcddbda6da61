import { formatCompletion, type AsyncDelegationEvent } from '../index.js'

/** A completion as people or programs read it; an event of the host's own kind has no layout of ours. */
export function completionText(event: AsyncDelegationEvent, json: boolean | undefined): string {
  if (json === true) return JSON.stringify(event)
  return (event.type as string) === 'async_delegation'
    ? formatCompletion(event)
    : JSON.stringify(event, null, 2)
}

/** `success` is some runners' word for `completed` (P9). */
export function isSuccess(status: string | undefined): boolean {
  return status === 'completed' || status === 'success'
}
