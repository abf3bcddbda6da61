/**
 * What a process says, checked: it may be hostile, and what it says reaches ledgers and people. A thread's words need no
 * such check, since whoever can forge them is inside of the host already.
 */
import type { ErrorDetail } from '../core/event.js'
import type { JsonObject } from '../core/json.js'
import { checkpointCharacters, keptLines, plainProgress } from './child-channel.js'
import { errorDetail } from './error-detail.js'
import type { ChildActivity, ChildEnd } from './executor.js'
import { requestCharacters } from './child-talk.js'
import type { ChildWord, Reply, ThreadMessage } from './messages.js'
import { toPlain } from './plain-data.js'

/** More than a worker lets through, whose own bounds are tighter. */
const resultCharacters = 2_000_000
const lineCharacters = 2_000
const causeDepth = 4
const nameCharacters = 200
const textCharacters = 8_000

type Fields = Readonly<Record<string, unknown>>

/** The message in a line of the process that runs child `run`; null for what is none. */
export function parseReport(line: string, run: number): ThreadMessage | null {
  try {
    const message: unknown = JSON.parse(line)
    return isFields(message) ? reportOf(message, run) : null
  } catch {
    // Nonsense on the pipe is a child's own affair.
    return null
  }
}

function reportOf(message: Fields, run: number): ThreadMessage | null {
  switch (message['type']) {
    case 'started':
      return { type: 'started', run }
    case 'memory':
      return { type: 'memory', run }
    case 'pong':
      return typeof message['ping'] === 'number' ? { type: 'pong', ping: message['ping'] } : null
    case 'word': {
      const word = wordOf(message['word'])
      return word === null ? null : { type: 'word', run, word }
    }
    case 'activity': {
      const activity = activityOf(onlyEntry(message['children']))
      return activity === null ? null : { type: 'activity', children: [[run, activity]] }
    }
    case 'replies':
      return { type: 'replies', replies: [[run, replyOf(onlyEntry(message['replies']))]] }
    default:
      return null
  }
}

function wordOf(value: unknown): ChildWord | null {
  if (!isFields(value)) return null
  const { type, request, kind, payload, tell, taken } = value
  if (type === 'told' && typeof tell === 'number') return { type, tell, taken: taken === true }
  if (type !== 'request' || typeof request !== 'number' || typeof kind !== 'string') return null
  const plain = toPlain(payload, 'request', requestCharacters)
  return { type, request, kind: kind.slice(0, nameCharacters), payload: plain }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Messages name children with what they say of them, in pairs: of a process there is one. */
function onlyEntry(pairs: unknown): unknown {
  const [pair] = Array.isArray(pairs) ? (pairs as unknown[]) : []
  return Array.isArray(pair) ? pair[1] : undefined
}

function replyOf(value: unknown): Reply {
  const { started, end, activity } = isFields(value) ? value : {}
  return { started: started === true, end: endFrom(end), activity: activityOf(activity), clean: false }
}

function endFrom(end: unknown): ChildEnd {
  const { kind, result, error } = isFields(end) ? end : {}
  if (kind !== 'returned' || !isFields(result)) return { kind: 'threw', error: errorFrom(error) }
  try {
    return { kind, result: toPlain(result, 'result', resultCharacters) as JsonObject }
  } catch (notPlain) {
    return { kind: 'threw', error: errorDetail(notPlain) }
  }
}

/** An error that is data already: its own bounds hold again. */
function errorFrom(value: unknown, depth = causeDepth): ErrorDetail {
  const { name, message, code, stack, cause } = isFields(value) ? value : {}
  return {
    name: typeof name === 'string' ? name.slice(0, nameCharacters) : 'Error',
    message: typeof message === 'string' ? message.slice(0, textCharacters) : '',
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(typeof stack === 'string' && { stack: stack.slice(0, textCharacters) }),
    ...(isFields(cause) && depth > 0 && { cause: errorFrom(cause, depth - 1) }),
  }
}

function activityOf(value: unknown): ChildActivity | null {
  if (!isFields(value)) return null
  const { progress, lines, checkpoint } = value
  const texts = Array.isArray(lines) ? lines.filter((line) => typeof line === 'string') : []
  return {
    progress: isFields(progress) ? plainProgress(progress) : null,
    lines: texts.slice(-keptLines).map((line) => line.slice(0, lineCharacters)),
    ...(checkpoint !== undefined && {
      checkpoint: toPlain(checkpoint, 'checkpoint', checkpointCharacters),
    }),
  }
}
