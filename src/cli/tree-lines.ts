/** How units and children look: one line each, that fits. Pure. */
import type { ChildFacts } from '../index.js'
import { columnsOf, cutTo, fitTo } from './terminal-text.js'
import { isGood, totalOf, type TreeChild, type TreeUnit } from './tree-state.js'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'cyan' | 'yellow'
export type Paint = (style: Style, text: string) => string

export interface LineOptions {
  readonly columns: number
  readonly nowMs: number
  readonly paint: Paint
  /** False: children that have ended are left out. */
  readonly showsEnded: boolean
  /** How many units it stands below. */
  readonly depth: number
}

/** How long a spinner's picture stays, ms. */
export const frameMs = 100
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const leastGoalColumns = 16
/** Below it, what each child used is not shown; the unit's line has it all together. */
const columnsForUsage = 72

/** The unit with its totals, then its children. */
export function unitLines(unit: TreeUnit, options: LineOptions): string[] {
  const { columns, nowMs, paint, showsEnded, depth } = options
  const indent = '  '.repeat(depth)
  const { children, id, status, startedMs, endedMs } = unit
  const ended = children.filter((child) => child.isEnded).length
  const rest = [
    children.length === 1 ? '1 subagent' : `${ended} of ${children.length} subagents ended`,
    secondsText(startedMs, endedMs ?? nowMs),
    ...usageParts(totalOf(unit)),
    ...(status === 'running' || status === 'finalizing' ? [] : [status]),
  ].join(' · ')
  const head = cutTo(`${indent}${id}`, columns)
  const tail = cutTo(` · ${rest}`, columns - columnsOf(head))
  const shown = showsEnded ? children : children.filter((child) => !child.isEnded)
  const widths = widthsOf(shown, options)
  return [
    `${paint('bold', head)}${paint('dim', tail)}`,
    ...shown.flatMap((child) => [
      childLine(child, widths, indent, options),
      ...questionLines(child, indent, options),
    ]),
  ]
}

/** The second line is what somebody types: it is cut only where nothing else helps. */
function questionLines({ asks }: TreeChild, indent: string, { columns, paint }: LineOptions): string[] {
  if (asks === null) return []
  const lines = [`? ${asks.text}`, asks.how].map((line) => cutTo(`${indent}    ${line}`, columns))
  return lines.map((line) => paint('yellow', line))
}

interface Widths {
  readonly goal: number
  readonly calls: number
  readonly tokens: number
}

/** Of all its children, so that they stand below each other. */
function widthsOf(children: readonly TreeChild[], { columns, depth }: LineOptions): Widths {
  const widest = (text: (child: TreeChild) => string): number =>
    Math.max(0, ...children.map((child) => columnsOf(text(child))))
  const showsUsage = columns >= columnsForUsage
  const calls = showsUsage ? widest(({ facts }) => callsText(facts)) : 0
  const tokens = showsUsage ? widest(({ facts }) => tokensText(facts)) : 0
  // Indent, icon, seconds and the spaces between them; some room is left to say what it does.
  const room = columns - 2 * depth - 16 - calls - tokens
  const goal = Math.max(
    1,
    Math.min(
      widest((child) => child.goal),
      Math.max(leastGoalColumns, room * 0.6),
      room,
    ),
  )
  return { goal: Math.floor(goal), calls, tokens }
}

function childLine(child: TreeChild, widths: Widths, indent: string, { columns, nowMs, paint }: LineOptions) {
  const { goal, startedMs, endedMs, facts } = child
  const icon = iconOf(child, nowMs)
  const seconds = startedMs === null ? '' : secondsText(startedMs, endedMs ?? nowMs)
  const used = [
    ...(widths.calls === 0 ? [] : [callsText(facts).padStart(widths.calls)]),
    ...(widths.tokens === 0 ? [] : [tokensText(facts).padStart(widths.tokens)]),
  ]
  const start = `${indent}  `
  const front = [` ${fitTo(goal, widths.goal)}`, seconds.padStart(7), ...used].join('  ')
  // Cut before it is painted: a colour takes no column.
  const left = columns - columnsOf(start) - 1
  if (columnsOf(front) > left) return `${start}${paint(styleOf(child), icon)}${cutTo(front.trimEnd(), left)}`
  const word = child.state === 'running' || child.state === 'completed' ? '' : child.state
  const detail = child.error === '' ? [child.tool, child.line].filter(Boolean).join(' · ') : child.error
  const shownWord = cutTo(word, left - columnsOf(front) - 2)
  const gap = word !== '' && detail !== '' ? ': ' : ''
  const shownDetail = cutTo(detail, left - columnsOf(front) - 2 - columnsOf(shownWord) - gap.length)
  const words = `${paint(styleOf(child), shownWord)}${shownDetail === '' ? '' : paint('dim', gap + shownDetail)}`
  const isBare = shownWord === '' && shownDetail === ''
  return `${start}${paint(styleOf(child), icon)}${isBare ? front.trimEnd() : `${front}  ${words}`}`
}

function iconOf({ isEnded, state, startedMs }: TreeChild, nowMs: number): string {
  if (isEnded) return isGood(state) ? '✓' : '✗'
  if (state === 'input_required' || state === 'auth_required') return '?'
  if (startedMs === null) return '·'
  return spinner[Math.floor(nowMs / frameMs) % spinner.length] ?? '·'
}

function styleOf({ isEnded, state, startedMs }: TreeChild): Style {
  if (isEnded) return isGood(state) ? 'green' : 'red'
  if (state !== 'running' && state !== 'waiting') return 'yellow'
  return startedMs === null ? 'dim' : 'cyan'
}

/** What was used, in words; nothing of what is not told. */
export function usageParts({ api_calls: calls, usage }: Pick<ChildFacts, 'api_calls' | 'usage'>): string[] {
  const tokens = usage.input_tokens + usage.output_tokens
  return [
    ...(calls === 0 ? [] : [`${calls} ${calls === 1 ? 'call' : 'calls'}`]),
    ...(tokens === 0 ? [] : [`${shortNumber(tokens)} tokens`]),
    ...(usage.cost_usd === 0 ? [] : [`$${usage.cost_usd.toFixed(usage.cost_usd < 0.1 ? 4 : 2)}`]),
  ]
}

function callsText({ api_calls: calls }: ChildFacts): string {
  return usageParts({ api_calls: calls, usage: { input_tokens: 0, output_tokens: 0, cost_usd: 0 } }).join('')
}

function tokensText({ usage }: ChildFacts): string {
  const tokens = usage.input_tokens + usage.output_tokens
  return tokens === 0 ? '' : `${shortNumber(tokens)} tok`
}

/** `950`, `1.2k`, `12.4k`, `3.1M`. */
export function shortNumber(count: number): string {
  if (count < 1_000) return String(Math.round(count))
  return count < 999_950 ? `${(count / 1_000).toFixed(1)}k` : `${(count / 1_000_000).toFixed(1)}M`
}

/** `0.4s`, `12.3s`, `2m05s`, `1h02m`. */
export function secondsText(fromMs: number | null, toMs: number | null): string {
  const seconds = Math.max(0, (toMs ?? 0) - (fromMs ?? 0)) / 1000
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`
  const whole = Math.round(seconds)
  const two = (part: number): string => String(part).padStart(2, '0')
  return whole < 3600
    ? `${Math.floor(whole / 60)}m${two(whole % 60)}s`
    : `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`
}
