/** What a workspace's answer to a message means, in protocol 0.3 and 1.0. Pure and total: every shape is one of four. */
import { isJsonObject, type Json, type JsonObject } from '../runner.js'

export type Answer =
  | { readonly kind: 'done'; readonly text: string; readonly task: TaskIds }
  | { readonly kind: 'working'; readonly task: TaskIds }
  /** The workspace has put it into a queue of its own: no answer, and nothing to send again. */
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'failed'; readonly error: string; readonly task: TaskIds }

export interface TaskIds {
  readonly taskId: string | null
  readonly contextId: string | null
}

const none: TaskIds = { taskId: null, contextId: null }
const quotedCharacters = 200

export function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

export function readAnswer(httpStatus: number, text: string): Answer {
  const body = parsed(text)
  if (httpStatus < 200 || httpStatus > 299)
    return failed(`HTTP ${httpStatus}: ${errorText(body) ?? quoted(text)}`)
  if (text === '') return failed('the workspace gave an empty answer')
  if (!isJsonObject(body)) return failed(`the workspace's answer is no JSON object: ${quoted(text)}`)
  const { result, error } = body
  if (result === undefined && error === undefined && (body['queued'] === true || body['status'] === 'queued'))
    return { kind: 'acknowledged' }
  if (isJsonObject(result)) return readResult(result)
  if (typeof result === 'string') return { kind: 'done', text: result, task: none }
  return failed(errorText(body) ?? `the workspace's answer has an unknown shape: ${quoted(text)}`)
}

function readResult(given: JsonObject): Answer {
  const result = [given['task'], given['message']].find(isJsonObject) ?? given
  const status = isJsonObject(result['status']) ? result['status'] : null
  const texts = [
    textOfArtifacts(result['artifacts']),
    textIn(status?.['message']),
    textOfParts(result['parts']),
  ]
  const text = texts.find((each) => each !== '') ?? ''
  const isTask = status !== null
  const task = { taskId: idIn(result[isTask ? 'id' : 'taskId']), contextId: idIn(result['contextId']) }
  if (!isTask) {
    // A runtime of the dialect reports its crash inside an answer (M58).
    if (text.startsWith('Agent error:')) return { ...failed(text), task }
    return 'parts' in result
      ? { kind: 'done', text, task }
      : failed(`unknown result: ${quoted(JSON.stringify(given))}`)
  }
  const said = typeof status['state'] === 'string' ? status['state'] : ''
  const state = said
    .toLowerCase()
    .replace(/^task_state_/, '')
    .replaceAll('_', '-')
  switch (state) {
    case 'completed':
      return text.startsWith('Agent error:') ? { ...failed(text), task } : { kind: 'done', text, task }
    case 'submitted':
    case 'working':
      return task.taskId === null
        ? { ...failed(`the task is ${state}, and has no id`), task }
        : { kind: 'working', task }
    case 'input-required':
    case 'auth-required':
      return { ...failed(`the workspace asks, and nobody can answer here (${state}): ${text}`), task }
    default:
      return { ...failed(text === '' ? `the task ended as ${said || 'nothing known'}` : text), task }
  }
}

function failed(error: string): Extract<Answer, { kind: 'failed' }> {
  return { kind: 'failed', error, task: none }
}

function textOfArtifacts(artifacts: unknown): string {
  if (!Array.isArray(artifacts)) return ''
  return artifacts
    .map(textIn)
    .filter((text) => text !== '')
    .join('\n')
}

function textIn(holder: unknown): string {
  return isJsonObject(holder) ? textOfParts(holder['parts']) : ''
}

function textOfParts(parts: unknown): string {
  if (!Array.isArray(parts)) return ''
  return parts
    .flatMap((part: unknown) =>
      isJsonObject(part) && typeof part['text'] === 'string' ? [part['text']] : [],
    )
    .join('\n')
}

function errorText(body: unknown): string | null {
  if (!isJsonObject(body)) return null
  const { error } = body
  if (typeof error === 'string' && error !== '') return error
  if (!isJsonObject(error)) return null
  const { message, code } = error
  const told = typeof message === 'string' && message !== '' ? message : 'JSON-RPC error with no message'
  return typeof code === 'number' ? `${told} (code=${code})` : told
}

function idIn(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= 512 ? value : null
}

function quoted(text: string): string {
  return text.slice(0, quotedCharacters)
}
