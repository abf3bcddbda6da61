import type { Delegator } from '../index.js'
import { howToAnswer } from './how-to-answer.js'
import { printError } from './render.js'
import { onOneLine } from './terminal-text.js'

/** Where no tree is shown, a question is a line of its own: nobody else would hear of it. */
export function tellQuestions({ events }: Pick<Delegator, 'events'>): void {
  events.on('question', (question) => {
    if (question.state !== 'open') return
    const { task_index: index, text } = question
    printError(`task ${index + 1} asks: ${onOneLine(text)} (answer: ${howToAnswer(question)})\n`)
  })
}
