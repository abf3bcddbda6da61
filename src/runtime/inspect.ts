/** Looks at a ledger without joining it: nothing is taken over, claimed or healed by who only wants to know. */
import type { Clock } from '../core/clock.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Owner } from '../ledger/shapes.js'
import { markedProcesses } from '../pool/marked-processes.js'
import { auditLedger, type AuditFinding } from './audit.js'
import type { LedgerFactory } from './options.js'
import { createOwnerJudge, ownerIdentity } from './owner-identity.js'
import { systemClock } from './system-clock.js'

/** Who has joined. Snake-case: it is shown. */
export interface OwnerView {
  readonly owner_id: string
  readonly pid: number
  /** Unix seconds. */
  readonly seen_at: number
  /** False only with proof. */
  readonly is_alive: boolean
}

/** A process of a child that has ended: it got away from its group (`setsid`). */
export interface Leftover {
  readonly pid: number
  readonly delegation_id: string
  readonly task_index: number
  readonly command: string
}

export interface LedgerInspection {
  owners(): Promise<readonly OwnerView[]>
  /** What is stale, undelivered or inconsistent, and what to do about each. */
  audit(): Promise<readonly AuditFinding[]>
  /** Null where the platform does not tell (anything but Linux). */
  leftovers(): Promise<readonly Leftover[] | null>
  close(): Promise<void>
}

/** @throws as the ledger does when it is opened. */
export async function inspectLedger(
  open: LedgerFactory,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<LedgerInspection> {
  const ledger = await open({ clock, random: () => 0 })
  const judge = createOwnerJudge(ownerIdentity(`inspector-${process.pid}`, clock), clock)
  const isAlive = (owner: Owner): boolean => !judge.isDead(owner)
  return {
    async owners() {
      return (await ledger.owners()).map((owner) => ({
        owner_id: owner.id,
        pid: owner.pid,
        seen_at: owner.seenAt,
        is_alive: isAlive(owner),
      }))
    },
    audit: () => auditLedger(ledger, isAlive, clock.now()),
    leftovers: () => leftoversOf(ledger),
    close: () => ledger.close(),
  }
}

/** Of units that this ledger knows: another one may know the others. */
async function leftoversOf(ledger: Ledger): Promise<readonly Leftover[] | null> {
  const marked = await markedProcesses()
  if (marked === null) return null
  const left: Leftover[] = []
  for (const { pid, delegationId, taskIndex, command } of marked) {
    const unit = await ledger.get(delegationId)
    const hasEnded = unit?.endedAt != null || unit?.children[taskIndex]?.result != null
    if (hasEnded) left.push({ pid, delegation_id: delegationId, task_index: taskIndex, command })
  }
  return left
}
