/** How a text is made harmless before it enters a conversation (P10): by who wrote it. Pure. */
import { fieldText, isTruthy } from './format-values.js'
import type { Json, JsonObject } from './json.js'
import { headOf, oneLine, plainText, tailOf } from './plain-text.js'
import { redact } from './redact.js'
import { fairShares } from './summary-budget.js'

const LABEL_CHARACTERS = 64
const GOAL_CHARACTERS = 2_000
const CONTEXT_CHARACTERS = 4_000
export const PATH_CHARACTERS = 4_000
const HEAD_SHARE = 0.75
// A private key that begins before the window would be shown without its first line: no key is longer than this.
const WINDOW_MARGIN = 16_384

/** What the children of one event may show. */
export interface WordLimits {
  readonly perChild: number
  readonly perEvent: number
}

/** One short line that cannot be taken for a mark or a header, or `undefined` when there is nothing to show. */
export function label(value: Json | undefined, nonce: string): string | undefined {
  if (!isTruthy(value)) return undefined
  const line = redact(oneLine(fieldText(value).slice(0, WINDOW_MARGIN))).replaceAll(/[[\]]/g, '')
  return headOf(without(line, nonce), LABEL_CHARACTERS)
}

export interface HostWords {
  line(value: Json | undefined, limit?: number): string | undefined
  block(value: Json | undefined): string | undefined
}

export function createHostWords(nonce: string): HostWords {
  return {
    line(value, limit = GOAL_CHARACTERS) {
      if (!isTruthy(value)) return undefined
      const line = without(oneLine(fieldText(value)), nonce)
      return line.length <= limit ? line : shortened(line, limit)
    },
    block(value) {
      if (!isTruthy(value)) return undefined
      const text = without(plainText(fieldText(value)), nonce)
      const { head, tail, leftOut } = bounded(
        { head: text, tail: text, length: text.length },
        CONTEXT_CHARACTERS,
      )
      return leftOut === 0 ? text : `${head}\n(… ${leftOut} characters of the context left out …)\n${tail}`
    },
  }
}

export function shortened(line: string, limit: number): string {
  return `${headOf(line, limit - 2)} …`
}

/** A child's text, stripped and redacted. Of a huge one only two windows, since no more of it can be shown. */
interface Prepared {
  readonly head: string
  readonly tail: string
  readonly length: number
}

export function prepared(
  value: Json | undefined,
  strip: (text: string) => string,
  limit = PATH_CHARACTERS,
): Prepared {
  const text = isTruthy(value) ? fieldText(value) : ''
  const window = 2 * limit + WINDOW_MARGIN
  const clean = (part: string): string => redact(strip(part))
  if (text.length > 2 * window) {
    return { head: clean(text.slice(0, window)), tail: clean(text.slice(-window)), length: text.length }
  }
  const whole = clean(text)
  return { head: whole, tail: whole, length: whole.length }
}

interface Bounded {
  readonly head: string
  readonly tail: string
  readonly leftOut: number
}

function bounded(text: Prepared, limit: number): Bounded {
  if (text.length <= limit) return { head: text.head, tail: '', leftOut: 0 }
  const head = headOf(text.head, Math.ceil(limit * HEAD_SHARE))
  const tail = tailOf(text.tail, Math.floor(limit * (1 - HEAD_SHARE)))
  return { head, tail, leftOut: text.length - head.length - tail.length }
}

export interface Fence {
  /** The words of these children, armoured, sharing the bound of one event. */
  around(entries: readonly JsonObject[], limits: WordLimits): readonly JsonObject[]
  inline(text: Prepared, limit: number): string | undefined
  block(text: Prepared, limit: number): string | undefined
}

export function createFence(delegationId: string, nonce: string): Fence {
  const note = (leftOut: number): string =>
    `(… ${leftOut} characters left out; the full text can be had by the delegation id ${delegationId} …)`
  const fenced = (text: string, border: string): string[] => {
    // The last step: whatever came before, no text that holds the nonce gets between the marks (P10).
    const safe = without(text, nonce)
    return safe === '' ? [] : [`[child ${nonce}]${border}${safe}${border}[/child ${nonce}]`]
  }
  const joined = (text: Prepared, limit: number, border: string): string | undefined => {
    const { head, tail, leftOut } = bounded(text, limit)
    const missing = leftOut === 0 ? [] : [note(leftOut)]
    const parts = [...fenced(head, border), ...missing, ...fenced(tail, border)]
    return parts.length === 0 ? undefined : parts.join(border)
  }
  const inline = (text: Prepared, limit: number): string | undefined => joined(text, limit, ' ')
  return {
    inline,
    block: (text, limit) => joined(text, limit, '\n'),
    around(entries, { perChild, perEvent }) {
      const texts = entries.map((entry) => ({
        error: prepared(entry['error'], oneLine, perChild),
        summary: prepared(entry['summary'], plainText, perChild),
      }))
      const needs = texts.map(({ error, summary }) => Math.min(perChild, error.length + summary.length))
      const shares = fairShares(needs, perEvent)
      return texts.map(({ error, summary }, position) => {
        const share = shares[position] ?? 0
        // The error goes first, up to a quarter, or to what the summary leaves.
        const errorShare = Math.min(error.length, Math.max(Math.floor(share / 4), share - summary.length))
        const summaryText = joined(summary, share - errorShare, '\n')
        return { error: inline(error, errorShare) ?? null, summary: summaryText ?? null }
      })
    },
  }
}

/** `text` without the nonce, in any case: replaced, so that what stood around it cannot join to a new one. */
function without(text: string, nonce: string): string {
  return text.replaceAll(new RegExp(nonce, 'gi'), '·')
}
