/** The only place of the CLI that prints: results on standard output, everything about them on standard error. */
import { columnsOf, cutTo, onOneLine, withoutControls } from './terminal-text.js'

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

/**
 * Columns of equal width, two spaces apart, below their names. On a terminal the names are bold, words of state are
 * coloured, and no row is wider than a line; in a pipe nothing is cut.
 */
export function printTable(rows: readonly (readonly string[])[]): void {
  const cells = rows.map((row) => row.map((cell) => onOneLine(cell)))
  const widths = (cells[0] ?? []).map((_cell, column) =>
    Math.max(...cells.map((row) => columnsOf(row[column] ?? ''))),
  )
  for (const [index, row] of cells.entries()) {
    const padded = row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - columnsOf(cell)))
    const line = padded.join('  ').trimEnd()
    if (!process.stdout.isTTY) printOut(`${line}\n`)
    else printOut(`${coloured(cutTo(line, process.stdout.columns), index === 0)}\n`)
  }
}

const green = /(?<= )(?:completed|success|delivered)(?= )/
const red = /(?<= )(?:error|failed|timeout|stalled|unknown|dead|dropped)(?= )/
const yellow = /(?<= )(?:interrupted|interrupting|stalling|pending|claimed)(?= )/

/** On a terminal whose user has not asked for none (https://no-color.org). */
function coloured(line: string, isHeader: boolean): string {
  if ((process.env['NO_COLOR'] ?? '') !== '') return line
  const painted = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`
  if (isHeader) return painted(1)(line)
  return line.replace(green, painted(32)).replace(red, painted(31)).replace(yellow, painted(33))
}

/** Who reads us may go away (`| head`): then the rest is for nobody, and no crash. */
export function survivePipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}

/**
 * Text that holds words of children. On a terminal nothing in it is acted on; in a pipe it is what they said.
 */
export function printText(text: string): void {
  printOut(shown(text))
}

/** `printText` for what must not be lost: resolves false when nobody reads any more. */
export function handOver(text: string): Promise<boolean> {
  return new Promise((resolve) => {
    process.stdout.write(shown(text), (error) => resolve(error === null || error === undefined))
  })
}

function shown(text: string): string {
  return `${process.stdout.isTTY ? withoutControls(text) : text}\n`
}

/** How long ago, or how long: `12s`, `5m`, `3h`, `2d`. */
export function duration(seconds: number): string {
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'm'],
  ] as const
  const whole = Math.max(0, Math.round(seconds))
  const [size, letter] = units.find(([length]) => whole >= 2 * length) ?? [1, 's']
  return `${Math.floor(whole / size)}${letter}`
}
