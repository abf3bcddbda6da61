/** Saying something to a child that another process runs: by letter to its owner, who replies what came of it. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.js'
import type { Json } from '../core/json.js'
import type { Ledger } from '../ledger/ledger.js'
import { watchChanges } from './ledger-changes.js'
import type { ProcessHold } from './process-hold.js'

interface RemoteTalksOptions {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly hold: ProcessHold
}

export interface RemoteTalks {
  /** What the owner replied; null when the unit had ended, and `no_reply` when its owner said nothing in time. */
  send(unitId: string, kind: string, payload: Json): Promise<{ readonly reply: Json } | 'no_reply' | null>
}

/** An owner hears of it within a second, and a child has half a second to take it. */
const replyMs = 4_000

export function createRemoteTalks({ ledger, clock, hold }: RemoteTalksOptions): RemoteTalks {
  async function replyTo(letterId: string, unitId: string) {
    const deadlineMs = clock.monotonicMs() + replyMs
    const changes = watchChanges(ledger, clock, [])
    try {
      for (;;) {
        changes.reset()
        const found = await ledger.mail.replyTo(letterId)
        if (found !== null) return found
        // It may have replied between the two looks: an end alone is no answer.
        const unit = await ledger.get(unitId)
        if (unit?.endedAt !== null) return await ledger.mail.replyTo(letterId)
        const leftMs = deadlineMs - clock.monotonicMs()
        if (leftMs <= 0) return 'no_reply'
        await changes.wait(leftMs)
      }
    } finally {
      changes.stop()
    }
  }

  return {
    async send(unitId, kind, payload) {
      const id = randomUUID()
      const posted = await ledger.mail.post({ id, unitId, kind, payload })
      if (posted === 'not_live') return null
      if (posted === 'too_many') return 'no_reply'
      try {
        return await hold.during(replyTo(id, unitId))
      } finally {
        await ledger.mail.forget(id)
      }
    },
  }
}
