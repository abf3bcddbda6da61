import type { OpenQuestion } from '../core/question.js'

/** A question that somebody may answer. */
export interface AskedQuestion {
  readonly question: OpenQuestion
  /** Settles it; of two, the first counts. */
  readonly close: (how: Closing) => void
}

export type Closing =
  | { readonly how: 'answered'; readonly text: string }
  | { readonly how: 'timed_out' }
  /** Its child was stopped, or has ended. */
  | { readonly how: 'dropped' }

/** What is open between one child and those who speak with it. Most children have none. */
export interface Conversation {
  /** By question id, oldest first. */
  readonly questions: Map<string, AskedQuestion>
  /** How many it has asked. */
  asked: number
  /** When it last had its answer, monotonic ms. */
  answeredMs: number
  /** The beginnings of what it was sent, and has not taken. */
  readonly untaken: Set<{ readonly text: string }>
}

export function createConversation(): Conversation {
  return { questions: new Map(), asked: 0, answeredMs: 0, untaken: new Set() }
}
