import { questionProblem } from '../core/question-shape.js'
import type { AskOptions } from '../runner.js'
import type { ChildTalk } from './child-talk.js'
import { RunnerError } from './error-detail.js'

/** Asks the host. Marked as handled: an inline child that does not wait for its answer must not end its host. */
export function ask(talk: ChildTalk, question: string, options: AskOptions = {}): Promise<string> {
  const answer = asked(talk, question, options)
  answer.catch(() => undefined)
  return answer
}

async function asked(talk: ChildTalk, question: string, options: AskOptions): Promise<string> {
  const { timeoutSeconds = null, default: otherwise = null, choices = null } = options
  const given = { question, timeout_seconds: timeoutSeconds, default: otherwise, choices }
  const problem = questionProblem(given)
  if (problem !== null) throw new RunnerError('QUESTION_INVALID', problem)
  const answer = await talk.request('ask', given)
  return typeof answer === 'string' ? answer : JSON.stringify(answer)
}
