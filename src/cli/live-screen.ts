/**
 * The part of a terminal that is drawn again and again. Lines of units that have ended are written for the last time
 * and scroll away; what is redrawn is never taller than the terminal, since nothing above its top can be reached.
 */
import { styleText } from 'node:util'
import type { Clock } from '../index.js'
import { columnsOf, withoutControls } from './terminal-text.js'
import { frameMs, unitLines, type Paint, type Style } from './tree-lines.js'
import type { TreeUnit } from './tree-state.js'

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

const eraseToEnd = '\u001b[K'
const eraseBelow = '\u001b[J'
/**
 * One picture at once where the terminal can; and no line wraps, whatever it thinks of the width of a character, so that
 * there are as many rows as lines.
 */
const beginPicture = '\u001b[?2026h\u001b[?7l'
const endPicture = '\u001b[?7h\u001b[?2026l'
const up = (lines: number): string => (lines === 0 ? '' : `\u001b[${lines}A`)

/** Draws `units` as they are at the time: whoever changes one says so by `changed`. */
export function createLiveScreen(
  stream: TreeStream,
  clock: Pick<Clock, 'monotonicMs' | 'after'>,
  units: ReadonlyMap<string, TreeUnit>,
): LiveScreen {
  const paint: Paint = hasColours() ? painted : (_style, text) => text
  /** Columns of each line that stands there and will be drawn over. */
  let drawn: readonly number[] = []
  let cancelFrame: (() => void) | null = null

  // The last column stays free: some terminals wrap as soon as it is written.
  const columns = (): number => sizeOr(stream.columns, 80) - 1

  function linesOf(unit: TreeUnit, showsEnded: boolean): string[] {
    const depth = depthOf(unit, units)
    return unitLines(unit, { columns: columns(), nowMs: clock.monotonicMs(), paint, showsEnded, depth })
  }

  /** A terminal that became narrower has wrapped what stood there. */
  function rowsDrawn(): number {
    return drawn.reduce((rows, width) => rows + Math.max(1, Math.ceil(width / (columns() + 1))), 0)
  }

  /** `last` stays for good; below it, the live units are drawn as far as the terminal is tall. */
  function draw(last: readonly string[], live: readonly string[]): void {
    const shown = [...last, ...live].map((line) => `\r${line}${eraseToEnd}\n`).join('')
    stream.write(`${beginPicture}${up(rowsDrawn())}${shown}${eraseBelow}${endPicture}`)
    drawn = live.map((line) => columnsOf(withoutControls(line)))
  }

  /** Where not all fit, those that have ended make room first. */
  function liveLines(): string[] {
    const most = Math.max(1, sizeOr(stream.rows, 24) - 1)
    const all = [...units.values()].flatMap((unit) => linesOf(unit, true))
    if (all.length <= most) return all
    const going = [...units.values()].flatMap((unit) => linesOf(unit, false)).slice(0, most - 1)
    return [...going, paint('dim', `  … ${all.length - going.length} more lines`)]
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
      // What stands below another unit is that one's to sum up.
      draw(unit.parentId === null ? linesOf(unit, true) : [], liveLines())
    },
    stop() {
      cancelFrame?.()
      cancelFrame = null
      draw(
        [...units.values()].flatMap((unit) => linesOf(unit, true)),
        [],
      )
    },
  }
}

/** Of units that are shown. */
function depthOf({ parentId }: TreeUnit, units: ReadonlyMap<string, TreeUnit>): number {
  const parent = parentId === null ? undefined : units.get(parentId)
  return parent === undefined ? 0 : 1 + depthOf(parent, units)
}

/** A terminal that has not been told its size says 0. */
function sizeOr(size: number | undefined, otherwise: number): number {
  return size === undefined || size === 0 ? otherwise : size
}

function hasColours(): boolean {
  return (process.env['NO_COLOR'] ?? '') === ''
}

/** The stream was looked at already; Node would look at standard output. */
function painted(style: Style, text: string): string {
  return text === '' ? '' : styleText(style, text, { validateStream: false })
}
