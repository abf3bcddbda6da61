/** How known agents report their work. Events that are not named here say nothing that a result needs. */
import type { Json, JsonObject } from '../core/json.js'
import {
  numberAt,
  objectsAt,
  sessionAt,
  textAt,
  valueAt,
  type Reader,
  type Reading,
} from './command-reading.js'

const limitReasons: ReadonlySet<string> = new Set(['error_max_turns', 'FatalTurnLimitedError'])

/** `claude -p --output-format stream-json --verbose`: the last line is a `result`, whose `is_error` decides. */
export function claudeReader(): Reader {
  let lastMessage: Json | undefined
  return (event, reading, show) => {
    reading.sessionId = sessionAt(event, 'session_id') ?? reading.sessionId
    if (event['type'] === 'system') reading.model = textAt(event, 'model') ?? reading.model
    if (event['type'] === 'assistant') {
      // A message comes in as many events as it has blocks.
      const message = valueAt(event, 'message.id')
      if (message === undefined || message !== lastMessage) reading.apiCalls = (reading.apiCalls ?? 0) + 1
      lastMessage = message
      readBlocks(event, reading, show)
    }
    if (event['type'] === 'user' && objectsAt(event, 'message.content').some(isToolResult))
      reading.tool = null
    if (event['type'] === 'result') readClaudeResult(event, reading)
  }
}

function readBlocks(event: JsonObject, reading: Reading, show: (text: string) => void): void {
  for (const block of objectsAt(event, 'message.content')) {
    const text = textAt(block, 'text')
    if (block['type'] === 'text' && text !== null) {
      reading.summary = text
      show(text)
    }
    if (block['type'] === 'tool_use') use(reading, show, textAt(block, 'name'), block['input'])
  }
}

const isToolResult = (block: JsonObject): boolean => block['type'] === 'tool_result'

function readClaudeResult(event: JsonObject, reading: Reading): void {
  reading.isComplete = true
  reading.tool = null
  const subtype = textAt(event, 'subtype') ?? 'success'
  const result = textAt(event, 'result')
  // `subtype` says `success` of a run that could not log in, and `is_error` is false of one that ran out of turns.
  if (event['is_error'] === true || subtype !== 'success') {
    reading.error = result ?? textAt(event, 'errors.0') ?? subtype
    if (limitReasons.has(subtype)) reading.exitReason = 'max_iterations'
  } else reading.summary = result ?? reading.summary
  reading.apiCalls = numberAt(event, 'num_turns') ?? reading.apiCalls
  reading.usage = usage(
    sum(event, 'usage.input_tokens', 'usage.cache_creation_input_tokens', 'usage.cache_read_input_tokens'),
    sum(event, 'usage.output_tokens'),
    numberAt(event, 'total_cost_usd'),
  )
}

/** `codex exec --json`: items of a thread. Errors on the way are no end: the turn may be completed after them. */
export function codexReader(): Reader {
  return (event, reading, show) => {
    switch (typeOf(event)) {
      case 'thread.started':
        reading.sessionId = sessionAt(event, 'thread_id')
        break
      case 'item.started':
        use(reading, show, textAt(event, 'item.type'), codexDetail(event))
        break
      case 'item.completed': {
        reading.tool = null
        const text = textAt(event, 'item.text') ?? textAt(event, 'item.message')
        if (text !== null) show(text)
        if (valueAt(event, 'item.type') === 'agent_message') reading.summary = text
        break
      }
      case 'turn.completed':
        reading.isComplete = true
        reading.error = null
        reading.usage = usage(sum(event, 'usage.input_tokens'), sum(event, 'usage.output_tokens'), null)
        break
      case 'turn.failed':
        reading.isComplete = true
        reading.error = textAt(event, 'error.message') ?? 'the turn failed'
        break
      case 'error':
        reading.error = textAt(event, 'message') ?? 'it reported an error'
        show(reading.error)
    }
  }
}

/** What an item is about: a command, a query, or a tool of a server. */
function codexDetail(event: JsonObject): Json | undefined {
  const tool = valueAt(event, 'item.tool')
  return (
    valueAt(event, 'item.command') ?? valueAt(event, 'item.query') ?? tool ?? valueAt(event, 'item.changes')
  )
}

/** `gemini --output-format stream-json`: text comes in pieces, and `result` ends it. */
export function geminiReader(): Reader {
  let answer = ''
  return (event, reading, show) => {
    switch (typeOf(event)) {
      case 'init':
        reading.sessionId = sessionAt(event, 'session_id')
        reading.model = textAt(event, 'model')
        break
      case 'message':
        if (event['role'] !== 'assistant') break
        answer =
          event['delta'] === true
            ? answer + (textAt(event, 'content') ?? '')
            : (textAt(event, 'content') ?? '')
        reading.summary = answer
        show(textAt(event, 'content') ?? '')
        break
      case 'tool_use':
        // What was said before a tool was used is not the answer.
        answer = ''
        use(reading, show, textAt(event, 'tool_name'), event['parameters'])
        break
      case 'tool_result':
        reading.tool = null
        break
      case 'error':
        show(textAt(event, 'message') ?? 'it reported an error')
        break
      case 'result':
        readGeminiResult(event, reading)
    }
  }
}

function readGeminiResult(event: JsonObject, reading: Reading): void {
  reading.isComplete = true
  if (event['status'] === 'error') {
    reading.error = textAt(event, 'error.message') ?? 'it reported a failure'
    if (limitReasons.has(textAt(event, 'error.type') ?? '')) reading.exitReason = 'max_iterations'
  }
  reading.usage = usage(sum(event, 'stats.input_tokens'), sum(event, 'stats.output_tokens'), null)
}

/** `opencode run --format json`: parts of messages. It has no last word, and exits with 0 after an error. */
export function opencodeReader(): Reader {
  const total = { input: 0, output: 0, cost: 0 }
  return (event, reading, show) => {
    reading.sessionId = sessionAt(event, 'sessionID') ?? reading.sessionId
    switch (typeOf(event)) {
      case 'text':
        reading.summary = textAt(event, 'part.text') ?? reading.summary
        show(textAt(event, 'part.text') ?? '')
        break
      case 'tool_use':
        use(reading, show, textAt(event, 'part.tool'), valueAt(event, 'part.state.input'))
        break
      case 'step_finish':
        // After a step that asked for tools, another one follows.
        reading.isComplete = valueAt(event, 'part.reason') !== 'tool-calls'
        reading.tool = null
        reading.apiCalls = (reading.apiCalls ?? 0) + 1
        total.input += sum(event, 'part.tokens.input', 'part.tokens.cache.read', 'part.tokens.cache.write')
        total.output += sum(event, 'part.tokens.output', 'part.tokens.reasoning')
        total.cost += sum(event, 'part.cost')
        reading.usage = usage(total.input, total.output, total.cost)
        break
      case 'error':
        reading.error =
          textAt(event, 'error.data.message') ?? textAt(event, 'error.name') ?? 'it reported an error'
    }
  }
}

function use(
  reading: Reading,
  show: (text: string) => void,
  tool: string | null,
  detail: Json | undefined,
): void {
  if (tool === null) return
  reading.tool = tool
  const shown = typeof detail === 'string' ? detail : JSON.stringify(detail ?? null)
  show(detail === undefined ? tool : `${tool} ${shown}`)
}

/** Cached tokens count as input, in every program. */
function usage(input: number, output: number, cost: number | null): JsonObject {
  return { input_tokens: input, output_tokens: output, ...(cost !== null && { cost_usd: cost }) }
}

function sum(event: JsonObject, ...paths: readonly string[]): number {
  return paths.reduce((total, path) => total + (numberAt(event, path) ?? 0), 0)
}

function typeOf(event: JsonObject): string {
  return textAt(event, 'type') ?? ''
}
