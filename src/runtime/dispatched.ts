import type { UnitDraft } from '../ledger/shapes.js'
import { partHandle, type PartHandle } from './groups.js'
import { transcriptsOf } from './unit-event.js'

/** What a dispatch that was admitted returns, before its runner has finished (R17). */
export interface Dispatched {
  readonly status: 'dispatched'
  /** Of the unit; of a call that was split (spec 2.10), of the call: then `units` says what each is called. */
  readonly delegationId: string
  /** There where the call has two units or more. */
  readonly units?: readonly PartHandle[]
  /** Paths of the children's transcripts, by index; absent where none are kept. */
  readonly liveTranscripts?: Readonly<Record<string, string>>
}

/** The units of one call. */
export type Drafts = readonly [UnitDraft, ...UnitDraft[]]

/** The handle of a call, from its units as they were drafted. */
export function dispatched(drafts: Drafts): Dispatched {
  const [first, ...others] = drafts
  const transcripts = drafts.map((draft) => transcriptsOf(draft.transcripts))
  return {
    status: 'dispatched',
    delegationId: first.part?.callId ?? first.id,
    ...(others.length > 0 && { units: drafts.map(partHandle) }),
    ...(transcripts[0] !== null && {
      liveTranscripts: Object.assign({}, ...transcripts) as Readonly<Record<string, string>>,
    }),
  }
}
