/** How a question is printed, and what a child did not take. Pure. */
import { fieldText, isTruthy, listOf, taskIndex, textOr } from './format-values.js'
import { isJsonObject, type JsonObject } from './json.js'

/** A child that waits: who it is, what it wants to know, and how it is told. */
export function questionLines(event: JsonObject, { note }: { readonly note?: string }): string[] {
  const question = isJsonObject(event['question']) ? event['question'] : {}
  const { question_id: questionId, text, choices, default: otherwise, timeout_seconds: seconds } = question
  const id = textOr(event['delegation_id'], '?')
  const task = taskIndex(question) + 1
  const count = isTruthy(event['n_tasks']) ? fieldText(event['n_tasks']) : '1'
  const within = isTruthy(seconds) ? ` within ${fieldText(seconds)} s` : ''
  return [
    `[SUBAGENT QUESTION — ${id}, task ${task}/${count}]`,
    [
      'A subagent that you dispatched waits for your answer; whatever else runs goes on meanwhile.',
      ...(note === undefined ? [] : [note]),
    ].join(' '),
    '',
    `Its goal: ${textOr(event['goal'], '')}`,
    '--- QUESTION ---',
    textOr(text, ''),
    ...(isTruthy(choices) ? ['Choices:', ...listOf(choices).map((choice) => `- ${fieldText(choice)}`)] : []),
    ...(isTruthy(otherwise) ? [`Without an answer${within} it goes on with: ${fieldText(otherwise)}`] : []),
    ...(isTruthy(seconds) && !isTruthy(otherwise)
      ? [`Without an answer${within} it is told that none came.`]
      : []),
    '--- HOW TO ANSWER ---',
    `hermes-delegate answer ${id} --question ${textOr(questionId, '?')} "YOUR ANSWER", or the tool of this host for it.`,
  ]
}

/** What it was sent while it ran, and did not take. */
export function missedLines(entry: JsonObject): string[] {
  const missed = listOf(entry['missed_steer'])
  return missed.length === 0
    ? []
    : ['Sent to it, but not taken:', ...missed.map((text) => `- ${fieldText(text)}`)]
}
