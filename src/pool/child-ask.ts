/** A question of a child: what it may be is the same in the child and, where that may be hostile, in its host. */
import type { AskOptions } from '../runner.js'
import type { ChildTalk } from './child-talk.js'
import { RunnerError } from './error-detail.js'

/** What a question and an answer may each have, characters. */
export const maxTextCharacters = 65_536
export const maxChoices = 50
export const maxChoiceCharacters = 1_000

/** A question as it travels. */
export interface Question {
  readonly question: string
  readonly timeout_seconds: number | null
  readonly default: string | null
  readonly choices: readonly string[] | null
}

/** Marked as handled: an inline child that does not wait for its answer must not end its host. */
export function ask(talk: ChildTalk, question: string, options: AskOptions = {}): Promise<string> {
  const answer = asked(talk, question, options)
  answer.catch(() => undefined)
  return answer
}

async function asked(talk: ChildTalk, question: string, options: AskOptions): Promise<string> {
  const { timeoutSeconds = null, default: otherwise = null, choices = null } = options
  const given = { question, timeout_seconds: timeoutSeconds, default: otherwise, choices }
  const answer = await talk.request('ask', { ...checkedQuestion(given) })
  return typeof answer === 'string' ? answer : JSON.stringify(answer)
}

/** @throws {RunnerError} QUESTION_INVALID, naming the first thing that is wrong. */
export function checkedQuestion(given: unknown): Question {
  const { question, timeout_seconds, default: otherwise, choices } = (given ?? {}) as Partial<Question>
  const problem =
    textProblem('question', question, maxTextCharacters) ??
    (timeout_seconds === null ? null : timeoutProblem(timeout_seconds)) ??
    (otherwise === null ? null : textProblem('default', otherwise, maxTextCharacters)) ??
    (choices === null ? null : choicesProblem(choices))
  if (problem !== null) throw new RunnerError('QUESTION_INVALID', problem)
  return { question, timeout_seconds, default: otherwise, choices } as Question
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
    const problem = textProblem('choice', choice, maxChoiceCharacters)
    if (problem !== null) return problem
  }
  return null
}
