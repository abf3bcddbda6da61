import { localTime } from './format.js'
import { headOf, oneLine } from './plain-text.js'
import { redact } from './redact.js'
import type { Instant } from './clock.js'

// One line of a live transcript (spec 4.10): bounded, and without secrets whatever the caller passes.

/** One thing that happened in a child. */
export interface TranscriptEntry {
  /** Unix seconds. */
  readonly at: Instant
  /** `assistant`, `thinking`, `args`, `result`, `kickoff`, `log`, `stdout`, `stderr`, `final`, or a name of its own. */
  readonly role: string
  readonly text: string
}

/** How a transcript is written. */
export interface TranscriptOptions {
  /**
   * IANA name of the zone times are shown in.
   * @defaultValue the zone of the process
   */
  readonly timeZone?: string
}

const LIMITS: ReadonlyMap<string, number> = new Map([
  ['assistant', 600],
  ['thinking', 300],
  ['args', 220],
  ['result', 400],
  ['kickoff', 500],
])
const OTHER_LIMIT = 400
const ROLE_LIMIT = 32
// How far past the cut a secret is looked for: longer ones are longer than any line, too.
const LOOKAHEAD = 512
// The longest replacement, `[REDACTED:authorization]`.
const MARKER_LENGTH = 24

/**
 * `HH:MM:SS role | text` on one line, without the newline at its end. Line breaks become ` ⏎ `, escapes and
 * control characters go, the text is cut to the limit of its role, and secrets are redacted always: the
 * replacements may make the line a little longer. A secret the cut would split is redacted as a whole.
 */
export function transcriptLine(entry: TranscriptEntry, options: TranscriptOptions = {}): string {
  const time = options.timeZone === undefined ? ownTime(entry.at) : timeOf(entry.at, options.timeZone)
  const role = oneLine(entry.role).replaceAll('|', '').slice(0, ROLE_LIMIT)
  return `${time} ${role} | ${cutAndRedacted(entry.text, LIMITS.get(entry.role) ?? OTHER_LIMIT)}`
}

let last = { second: Number.NaN, time: '' }

/** Lines come by the thousand within a second. */
function ownTime(at: Instant): string {
  const second = Math.floor(at)
  if (second !== last.second) last = { second, time: timeOf(at) }
  return last.time
}

function timeOf(at: Instant, timeZone?: string): string {
  return localTime(at, timeZone)?.slice(-8) ?? '??:??:??'
}

function cutAndRedacted(text: string, limit: number): string {
  // Far more than can be shown, far less than a child may write: the cost of a line is bounded.
  const line = oneLine(text.slice(0, 8 * (limit + LOOKAHEAD)), ' ⏎ ')
  if (line.length <= limit) return redact(line)
  const shown = redact(headOf(line, limit))
  const ahead = redact(headOf(line, limit + LOOKAHEAD))
  return ahead.startsWith(shown) ? shown : ahead.slice(0, shown.length + MARKER_LENGTH)
}
