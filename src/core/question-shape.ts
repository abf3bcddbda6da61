/** What a question may be: the same in the child and, where that may be hostile, in its host. Pure. */

/** A question as it travels from a child. */
export interface AskedText {
  readonly question: string
  readonly timeout_seconds: number | null
  readonly default: string | null
  readonly choices: readonly string[] | null
}

/** What a question and an answer may each have, characters. */
export const talkCharacters = 65_536
const maxChoices = 50
const choiceCharacters = 1_000

/** The first thing that is wrong; null for a question. */
export function questionProblem(given: unknown): string | null {
  const { question, timeout_seconds, default: otherwise, choices } = (given ?? {}) as Partial<AskedText>
  return (
    textProblem('question', question, talkCharacters) ??
    (timeout_seconds === null ? null : timeoutProblem(timeout_seconds)) ??
    (otherwise === null ? null : textProblem('default', otherwise, talkCharacters)) ??
    (choices === null ? null : choicesProblem(choices))
  )
}

function textProblem(name: string, text: unknown, most: number): string | null {
  if (typeof text !== 'string' || text.trim() === '') return `the ${name} must be a text that says something`
  return text.length > most ? `the ${name} has ${text.length} characters, at most ${most} are allowed` : null
}

function timeoutProblem(seconds: unknown): string | null {
  if (typeof seconds === 'number' && seconds > 0 && Number.isFinite(seconds)) return null
  return `timeoutSeconds is ${String(seconds)}, and must be a number above 0`
}

function choicesProblem(choices: unknown): string | null {
  if (!Array.isArray(choices) || choices.length === 0 || choices.length > maxChoices)
    return `choices must be a list of 1 to ${maxChoices} texts`
  for (const choice of choices) {
    const problem = textProblem('choice', choice, choiceCharacters)
    if (problem !== null) return problem
  }
  return null
}
