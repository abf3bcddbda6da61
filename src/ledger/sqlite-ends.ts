/**
 * Ends that the file cannot take now (P3): they are kept aside and tried again; where nothing would keep them, they are tried
 * for as long as the ledger is open.
 */
import { DelegationError } from '../core/errors.js'
import type { Hold, Settled, Settlement, UnitPatch, UnitRecord } from './shapes.js'
import { isOfTheFile } from './sqlite-driver.js'
import type { SqliteSpool } from './sqlite-spool.js'

/** How soon what was kept aside is tried again, ms. */
const replayMs = 1_000

export interface SqliteEnds {
  /** `fault`, on what it resolves to: something other than a lock is wrong, and somebody has to hear of it. */
  settle(hold: Hold, end: Settlement): Promise<Settled>
  /** Writes what was kept aside; rejects while that cannot be done. Returns how much it was. */
  replay(): Promise<number>
  replaySoon(): void
  /** Nothing is tried again. */
  stop(): void
}

interface EndsOptions {
  readonly spool: SqliteSpool
  readonly settle: (hold: Hold, end: Settlement) => Promise<Settled>
  readonly get: (id: string) => Promise<UnitRecord | null>
  readonly record: (hold: Hold, patch: UnitPatch) => Promise<boolean>
}

export function createSqliteEnds({ spool, settle: settleNow, get, record }: EndsOptions): SqliteEnds {
  let timer: NodeJS.Timeout | null = null
  let isStopped = false

  async function settle(hold: Hold, end: Settlement): Promise<Settled> {
    for (;;) {
      let fault: DelegationError
      try {
        return await settleNow(hold, end)
      } catch (error) {
        if (!(error instanceof DelegationError) || !isOfTheFile(error.code)) throw error
        fault = error
      }
      try {
        await spool.keep({ hold, end })
        replaySoon()
        // A lock passes by itself; of anything else somebody has to hear.
        const kept = { won: true, event: end.event, claim: null } as const
        return fault.code === 'LEDGER_BUSY' ? kept : { ...kept, fault }
      } catch (error) {
        if (isStopped) throw error
        await new Promise((resolve) => setTimeout(resolve, replayMs))
      }
    }
  }

  /** An end that came too late is kept with the unit that it lost. */
  const replay = (): Promise<number> =>
    spool.replay(async ({ hold, end }) => {
      const settled = await settleNow(hold, end)
      if (settled.won || (await get(hold.id))?.cause !== 'owner_died') return
      await record(hold, { child: { index: 0, state: end.state, result: end.event } })
    })

  function replaySoon(): void {
    timer ??= setTimeout(() => {
      timer = null
      if (!isStopped) replay().catch(replaySoon)
    }, replayMs)
    timer.unref()
  }

  return {
    settle,
    replay,
    replaySoon,
    stop() {
      isStopped = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}
