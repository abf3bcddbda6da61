/** How the memory ledger keeps a unit. */
import type { ChildRecord, UnitDraft, UnitPatch, UnitRecord } from './shapes.js'

export const unstarted: ChildRecord = { state: 'waiting', result: null, checkpoint: null }

/** What is known of a child after `child` became known: its first result stays (P5), and ends what it waits with. */
export function mergedChild(before: ChildRecord, child: NonNullable<UnitPatch['child']>): ChildRecord {
  const result = before.result ?? child.result ?? null
  const checkpoint = child.checkpoint ?? before.checkpoint
  const state = before.result === null ? child.state : before.state
  const question = child.question === undefined ? before.question : (child.question ?? undefined)
  const waits = result === null && question !== undefined
  return { state, result, checkpoint, ...(waits && { question }) }
}

/** What changes while a unit lives. */
export type Life = {
  -readonly [Field in Exclude<keyof UnitRecord, keyof UnitDraft | 'children'>]: UnitRecord[Field]
} & {
  /** Changed in place: a copy for each end of a child would make a wide batch quadratic. */
  readonly children: ChildRecord[]
}

export interface StoredUnit {
  readonly draft: UnitDraft
  readonly dispatchedBy: string
  readonly life: Life
  /** What readers were given, until the next change: a record is a value. */
  snapshot: UnitRecord | null
}
