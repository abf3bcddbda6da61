/** `run --notify-cmd`: a program is told of the end. No shell sees what a child said: the event goes in by its input. */
import { spawn } from 'node:child_process'
import type { AsyncDelegationEvent } from '../index.js'
import { printProblem } from './render.js'
import { UsageError } from './usage-error.js'

/**
 * The words of a command line: blanks part them, quotes and backslashes hold them together. Nothing else is special.
 * @throws {UsageError} for none, and for a quote that does not end.
 */
export function commandOf(text: string): readonly string[] {
  const words: string[] = []
  let rest = text.trimStart()
  while (rest !== '') {
    const [piece] = /^(?:[^\s'"\\]|\\[^]|'[^']*'|"(?:[^"\\]|\\[^])*")+/.exec(rest) ?? ['']
    const next = rest.slice(piece.length)
    if (piece === '' || !/^(?:\s|$)/.test(next))
      throw new UsageError(
        `the command ${JSON.stringify(text)} holds a quote or a backslash that does not end`,
      )
    words.push(unquoted(piece))
    rest = next.trimStart()
  }
  if (words.length === 0 || words[0] === '') throw new UsageError('--notify-cmd takes a command')
  return words
}

function unquoted(piece: string): string {
  return piece.replace(/'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])/g, (_whole, single, double, escaped) => {
    if (single !== undefined) return single as string
    if (double !== undefined) return (double as string).replace(/\\(["\\])/g, '$1')
    return escaped as string
  })
}

/** Resolves when the program has ended. That it failed is told, and changes nothing. */
export function notify(
  [program = '', ...args]: readonly string[],
  event: AsyncDelegationEvent,
): Promise<void> {
  return new Promise((resolve) => {
    const failed = (why: string): void => {
      printProblem(`warning: ${program}, which was to be told of the end, ${why}`)
      resolve()
    }
    // Standard output is for the completion alone.
    const child = spawn(program, args, { stdio: ['pipe', process.stderr, process.stderr] })
    child.on('error', (error) => failed(`could not be started: ${error.message}`))
    child.on('exit', (code, signal) => (code === 0 ? resolve() : failed(`ended with ${signal ?? code ?? 1}`)))
    // Who does not read its input need not.
    child.stdin.on('error', () => undefined)
    child.stdin.end(`${JSON.stringify(event)}\n`)
  })
}
