/** The only place of the CLI that prints: results on standard output, everything about them on standard error. */
import { withoutControls } from './terminal-text.js'

/** What the exit codes mean; `interrupted` and `terminated` are 128 and the signal's number, as a shell has it. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  refused: 75,
  interrupted: 130,
  terminated: 143,
} as const

/** Text as it is. */
export function printOut(text: string): void {
  process.stdout.write(text)
}

/** Text as it is. */
export function printError(text: string): void {
  process.stderr.write(text)
}

/** One line of JSON. */
export function printJson(value: unknown): void {
  printOut(`${JSON.stringify(value)}\n`)
}

/** What went wrong, as the user is told of it: with the program's name, as any command does. */
export function printProblem(message: string): void {
  printError(`hermes-delegate: ${message}\n`)
}

/** Columns of equal width, two spaces apart. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  for (const row of rows) {
    printOut(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
  }
}

/** Who reads us may go away (`| head`): then the rest is for nobody, and no crash. */
export function survivePipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}

/**
 * Text that holds words of children. On a terminal nothing in it is acted on; in a pipe it is what they said.
 */
export function printText(text: string): void {
  printOut(`${process.stdout.isTTY ? withoutControls(text) : text}\n`)
}
