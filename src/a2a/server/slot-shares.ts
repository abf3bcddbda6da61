/** How many slots each caller may hold, so that none of several takes all. */
import type { Delegator } from '../../index.js'
import type { Caller } from './callers.js'
import { contextOf, originOf } from './scopes.js'

/** Given to a dispatch: nothing new is admitted beyond the share, but a message that was sent before has its task. */
type Share = { readonly maxUnits?: number }

export interface SlotShares {
  /** The calls of one caller dispatch one after another: each counts those before it. */
  within<T>(caller: Caller, dispatch: (share: Share) => Promise<T>): Promise<T>
}

export function createSlotShares(delegator: Delegator, isShared: boolean): SlotShares {
  const lines = new Map<string, Promise<unknown>>()
  const { maxUnits } = delegator.limits
  const shareOf = ({ maxTasks = isShared ? Math.max(1, maxUnits - 1) : maxUnits }: Caller): number => maxTasks

  async function isUsedUp(caller: Caller): Promise<boolean> {
    const live = await delegator.list({ originUiSessionId: originOf(caller), live: true })
    return live.filter((record) => contextOf(record, caller) !== null).length >= shareOf(caller)
  }

  return {
    within(caller, dispatch) {
      if (shareOf(caller) >= maxUnits) return dispatch({})
      const before = lines.get(caller.name) ?? Promise.resolve()
      const done = before.then(async () => dispatch((await isUsedUp(caller)) ? { maxUnits: 0 } : {}))
      lines.set(
        caller.name,
        done.catch(() => undefined),
      )
      return done
    },
  }
}
