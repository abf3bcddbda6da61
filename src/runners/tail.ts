import type { ProcessEnd } from '../runner.js'

/** The end of a text of any length, in bounded memory. */
export interface Tail {
  add(text: string): void
  /** At most the limit. */
  text(): string
  /** How many characters came before it and are gone. */
  dropped(): number
}

export function createTail(limit: number): Tail {
  let kept = ''
  let gone = 0
  return {
    add(text) {
      kept += text
      if (kept.length <= 2 * limit) return
      gone += kept.length - limit
      kept = kept.slice(-limit)
    },
    text: () => kept.slice(-limit),
    dropped: () => gone + Math.max(0, kept.length - limit),
  }
}

/** What standard output may come to as a summary, characters. */
export const outputCharacters = 8_000_000
/** What is looked at of standard error, characters. */
export const errorTailCharacters = 2_000
const errorTailLines = 20

/** All of an output as a summary, with a note where its beginning is missing; null when there was none. */
export function summaryOf(output: Tail): string | null {
  const text = output.text().trimEnd()
  if (output.dropped() === 0) return text === '' ? null : text
  return `[${output.dropped()} characters of earlier output were dropped]\n${text}`
}

/** Why a process ended badly: its exit code, and the last that it wrote to standard error. */
export function failureOf(end: ProcessEnd, errors: string): string {
  const what = end.error ?? `exit code ${end.code}`
  const tail = errors.trimEnd().split('\n').slice(-errorTailLines).join('\n')
  return tail === '' ? what : `${what}\n${tail}`
}
