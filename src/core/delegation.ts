/**
 * The life of one unit, as a value.
 *
 *   running ─┬─> stalling ──┬─> interrupting ─┐
 *            ├──────────────┘                 ├─> finalizing ──> ended
 *            └────────────────────────────────┘
 *
 * D1. `transition` is the only writer, and is pure.
 * D2. The first cause wins: from `finalizing` on, every later event returns the state unchanged (P4).
 * D3. Nothing returns to `running`: progress that resumes does not undo a stall or an interrupt.
 */
import { assertNever } from './errors.js'

/** The runtime's own words for how a unit or a child ended (P9; docs/states.md). A runner's own may stand in their place. */
export const terminalWords = [
  'completed',
  'error',
  'failed',
  'timeout',
  'interrupted',
  'stalled',
  'unknown',
] as const
export type TerminalWord = (typeof terminalWords)[number]

/** Why an end came about: the axis that the word alone does not show. */
export const endCauses = [
  'returned',
  'threw',
  'lost',
  'interrupted',
  'timeout',
  'stalled',
  'budget',
  'owner_died',
] as const
export type EndCause = (typeof endCauses)[number]

/** What stops a unit that would go on by itself. `budget`: it used more than it had reserved. */
export type StopCause = 'interrupted' | 'timeout' | 'stalled' | 'budget'

/** The word of who was stopped. A budget has none of its own (P9): its cause, exit reason and error say it. */
export function wordOfCause(cause: StopCause): TerminalWord {
  return cause === 'budget' ? 'interrupted' : cause
}

/** Each phase carries exactly what is known in it. `at` is monotonic, ms. */
export type UnitState =
  | { readonly phase: 'running' }
  | { readonly phase: 'stalling'; readonly at: number }
  | {
      readonly phase: 'interrupting'
      readonly at: number
      readonly cause: StopCause
      readonly reason: string
    }
  | { readonly phase: 'finalizing'; readonly status: string; readonly cause: EndCause }
  | { readonly phase: 'ended'; readonly status: string; readonly cause: EndCause }

export type UnitEvent =
  | { readonly type: 'stalled'; readonly at: number }
  | { readonly type: 'interrupt'; readonly at: number; readonly cause: StopCause; readonly reason: string }
  | { readonly type: 'finish'; readonly status: string; readonly cause: EndCause }
  | { readonly type: 'recorded' }

export const initialUnitState: UnitState = { phase: 'running' }

/** Pure (D1). Returns `state` itself when the event changes nothing. */
export function transition(state: UnitState, event: UnitEvent): UnitState {
  switch (event.type) {
    case 'stalled':
      return state.phase === 'running' ? { phase: 'stalling', at: event.at } : state
    case 'interrupt':
      if (state.phase !== 'running' && state.phase !== 'stalling') return state
      return { phase: 'interrupting', at: event.at, cause: event.cause, reason: event.reason }
    case 'finish':
      if (!isActive(state)) return state
      return { phase: 'finalizing', status: event.status, cause: event.cause }
    case 'recorded':
      if (state.phase !== 'finalizing') return state
      return { phase: 'ended', status: state.status, cause: state.cause }
    default:
      return assertNever(event)
  }
}

/** May still be interrupted and finished: what Hermes calls active (spec 2.3). */
export function isActive(state: UnitState): boolean {
  return state.phase === 'running' || state.phase === 'stalling' || state.phase === 'interrupting'
}

/** Words that mean "still going on". A runner cannot end in one (R22). */
export const liveWords: ReadonlySet<string> = new Set([
  'running',
  'stalling',
  'interrupting',
  'finalizing',
  'waiting',
  'queued',
  'input_required',
  'auth_required',
])

/** True for a word that names a life and not an end (R22). */
export function isLiveWord(status: string): boolean {
  return liveWords.has(status)
}

/** `success` is some runners' word for `completed`: the same in icons, joins and exit codes (P9). */
export function isSuccess(status: unknown): boolean {
  return status === 'completed' || status === 'success'
}
