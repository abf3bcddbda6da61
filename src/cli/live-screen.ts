/**
 * The part of a terminal that is drawn again and again. Lines of units that have ended are written for the last time
 * and scroll away; what is redrawn is never taller than the terminal, since nothing above its top can be reached.
 */
import { styleText } from 'node:util'
import type { Clock } from '../index.js'
import { columnsOf, cutTo, fitTo } from './terminal-text.js'
import { isGood, type TreeChild, type TreeUnit } from './tree-state.js'

/** What is written to: `process.stderr`, or something like it. */
export interface TreeStream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

/** What draws. Keeps no process alive, but for what its clock does. */
export interface LiveScreen {
  /** Something is to be seen: it is drawn within a frame. */
  changed(this: void): void
  /** The unit has ended: its lines are drawn for the last time. */
  leave(this: void, unit: TreeUnit): void
  /** Draws for the last time. */
  stop(this: void): void
}

const frameMs = 100
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const leastGoalColumns = 16
/** What a child's line holds besides goal and detail: indent, icon, seconds and the spaces between. */
const fixedColumns = 16
const eraseLine = '\u001b[2K'
const eraseBelow = '\u001b[J'
const up = (lines: number): string => (lines === 0 ? '' : `\u001b[${lines}A`)

type Style = 'dim' | 'red' | 'green' | 'cyan'
type Paint = (style: Style, text: string) => string

/** Draws `units` as they are at the time: whoever changes one says so by `changed`. */
export function createLiveScreen(
  stream: TreeStream,
  clock: Pick<Clock, 'monotonicMs' | 'after'>,
  units: ReadonlyMap<string, TreeUnit>,
): LiveScreen {
  const paint: Paint = hasColours() ? painted : (_style, text) => text
  let drawnLines = 0
  let cancelFrame: (() => void) | null = null

  function linesOf(unit: TreeUnit): string[] {
    // The last column stays free: some terminals wrap as soon as it is written.
    return unitLines(unit, { columns: sizeOr(stream.columns, 80) - 1, nowMs: clock.monotonicMs(), paint })
  }

  /** `last` stays for good; below it, the live units are drawn as far as the terminal is tall. */
  function draw(last: readonly string[], live: readonly string[]): void {
    const shown = [...last, ...live].map((line) => `\r${eraseLine}${line}\n`).join('')
    stream.write(`${up(drawnLines)}${shown}${eraseBelow}`)
    drawnLines = live.length
  }

  function liveLines(): string[] {
    const most = Math.max(1, sizeOr(stream.rows, 24) - 1)
    const lines = [...units.values()].flatMap(linesOf)
    if (lines.length <= most) return lines
    return [...lines.slice(0, most - 1), paint('dim', `  … ${lines.length - most + 1} more lines`)]
  }

  function frame(): void {
    cancelFrame = null
    draw([], liveLines())
    // The spinner turns and the seconds count, whether or not a child says something.
    if (units.size > 0) changed()
  }

  function changed(): void {
    cancelFrame ??= clock.after(frameMs, frame)
  }

  return {
    changed,
    leave(unit) {
      draw(linesOf(unit), liveLines())
    },
    stop() {
      cancelFrame?.()
      cancelFrame = null
      draw([...units.values()].flatMap(linesOf), [])
    },
  }
}

/** A terminal that has not been told its size says 0. */
function sizeOr(size: number | undefined, otherwise: number): number {
  return size === undefined || size === 0 ? otherwise : size
}

interface LineOptions {
  readonly columns: number
  readonly nowMs: number
  readonly paint: Paint
}

function unitLines(unit: TreeUnit, options: LineOptions): string[] {
  const { columns, nowMs, paint } = options
  const { children, id, status, startedMs, endedMs } = unit
  const ended = children.filter((child) => child.isEnded).length
  const heading = [
    id,
    children.length === 1 ? '1 subagent' : `${ended} of ${children.length} subagents ended`,
    secondsText(startedMs, endedMs ?? nowMs),
    ...(endedMs === null ? [] : [status]),
  ]
  const room = columns - fixedColumns
  const longest = Math.max(...children.map(({ goal }) => columnsOf(goal)), 1)
  const goalColumns = Math.max(1, Math.min(longest, Math.max(leastGoalColumns, Math.floor(room * 0.6)), room))
  return [
    paint('cyan', cutTo(heading.join(' · '), columns)),
    ...children.flatMap((child) => [
      childLine(child, goalColumns, options),
      ...questionLines(child, options),
    ]),
  ]
}

function questionLines({ asks }: TreeChild, { columns, paint }: LineOptions): string[] {
  if (asks === null) return []
  return [
    paint('cyan', cutTo(`    ? ${asks.text}`, columns)),
    paint('dim', cutTo(`    ${asks.how}`, columns)),
  ]
}

function childLine(child: TreeChild, goalColumns: number, { columns, nowMs, paint }: LineOptions): string {
  const { goal, startedMs, endedMs } = child
  const seconds = startedMs === null ? '' : secondsText(startedMs, endedMs ?? nowMs)
  const front = `  ${iconOf(child, nowMs)} ${fitTo(goal, goalColumns)}  ${seconds.padStart(7)}`
  const left = columns - columnsOf(front) - 2
  // Cut before it is painted: a colour takes no column.
  if (left < 0) return cutTo(front, columns)
  const word = child.state === 'running' || child.state === 'completed' ? '' : child.state
  const detail = cutTo([word, child.detail].filter((part) => part !== '').join(': '), left)
  const icon = iconOf(child, nowMs)
  const rest = front.slice(2 + icon.length)
  return `  ${paint(styleOf(child), icon)}${rest}${detail === '' ? '' : `  ${paint('dim', detail)}`}`
}

function iconOf({ isEnded, state, startedMs }: TreeChild, nowMs: number): string {
  if (isEnded) return isGood(state) ? '✓' : '✗'
  if (startedMs === null) return '·'
  return spinner[Math.floor(nowMs / frameMs) % spinner.length] ?? '·'
}

function styleOf({ isEnded, state, startedMs }: TreeChild): Style {
  if (isEnded) return isGood(state) ? 'green' : 'red'
  return startedMs === null ? 'dim' : 'cyan'
}

/** `0.4s`, `12.3s`, `2m05s`. */
export function secondsText(fromMs: number | null, toMs: number | null): string {
  const seconds = Math.max(0, (toMs ?? 0) - (fromMs ?? 0)) / 1000
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`
}

function hasColours(): boolean {
  return (process.env['NO_COLOR'] ?? '') === ''
}

/** The stream was looked at already; Node would look at standard output. */
function painted(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false })
}
