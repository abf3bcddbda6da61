import type { Delegator, DelegatorEventMap } from '../index.js'
import { printError } from './render.js'
import { onOneLine } from './terminal-text.js'

type Question = DelegatorEventMap['question'][0]

/** How a question is answered, as it is shown beside it. */
export function howToAnswer({ delegation_id: id, question_id: questionId }: Question): string {
  return `hermes-delegate answer ${id} --question ${questionId} "..."`
}

/** Where no tree is shown, a question is a line of its own: nobody else would hear of it. */
export function tellQuestions({ events }: Pick<Delegator, 'events'>): void {
  events.on('question', (question) => {
    if (question.state !== 'open') return
    const { task_index: index, text } = question
    printError(`task ${index + 1} asks: ${onOneLine(text)} (answer: ${howToAnswer(question)})\n`)
  })
}
