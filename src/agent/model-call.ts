/** One call of the model: streamed, and tried again where that may help. */
import {
  streamText,
  tool,
  ToolChoiceViolationError,
  type AssistantModelMessage,
  type FinishReason,
  type JSONValue,
  type LanguageModel,
  type LanguageModelUsage,
  type ModelMessage,
  type TextStreamPart,
  type ToolSet,
  type TypedToolCall,
} from 'ai'
import { openScope, pause } from './abort-scope.js'
import type { AgentSettings } from './agent-options.js'
import type { AgentTool } from './agent-tool.js'
import { isJsonObject, type JsonObject } from '../runner.js'
import type { KeyRing } from './key-ring.js'
import { failureOf, ProviderFailure } from './provider-error.js'

/** One tool that the model asked for. `problem` is what is wrong with how it asked. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly input: unknown
  readonly problem: string | null
}

export interface ModelReply {
  readonly text: string
  readonly reasoning: string
  readonly calls: readonly ToolCall[]
  readonly finish: FinishReason
  readonly usage: LanguageModelUsage
  /** What called the tools, as it is said again in the next call; null where none was called. */
  readonly message: AssistantModelMessage | null
}

/** Told while a call runs. */
export interface CallWatcher {
  /** Something came: `text` is all of the answer so far. */
  onChunk(text: string, tool: string | null): void
  /** `variable` names the key that comes next, where another one does. */
  onRetry(failure: ProviderFailure, waitMs: number, variable: string | null): void
}

export interface CallRequest {
  readonly messages: readonly ModelMessage[]
  /** False: the model is to answer, whatever it would rather do. */
  readonly mayUseTools: boolean
}

export interface CallOptions {
  /** With the key that is given. */
  readonly model: (key: string | null) => LanguageModel
  readonly keys: KeyRing
  /** What is sent as `response_format` where no tool may be used; null: nothing. */
  readonly answerFormat: JsonObject | null
  readonly system: string
  readonly tools: ReadonlyMap<string, AgentTool>
  readonly settings: AgentSettings
  readonly signal: AbortSignal
  readonly watcher: CallWatcher
  readonly random: () => number
}

/** @throws {ProviderFailure} for a call that came to nothing; the signal's reason when that aborted it. */
export type CallModel = (request: CallRequest) => Promise<ModelReply>

/** What its options and its models go by. */
export const providerName = 'provider'

export function modelCaller(options: CallOptions): CallModel {
  const { settings, signal, watcher, random, keys } = options
  const { maxRetries, initialMs, maxMs } = settings.retry
  const tools = toolSet(options.tools)
  return async (request) => {
    let retries = 0
    let turns = 0
    for (;;) {
      try {
        return await attempt(request, tools, options)
      } catch (error) {
        signal.throwIfAborted()
        const now = Date.now()
        const failure = failureOf(error, now)
        // Full jitter would sometimes not wait at all; half of it spreads as well.
        const backoffMs = Math.min(maxMs, initialMs * 2 ** retries) * (0.5 + random() / 2)
        const refused = keys.current
        const waitMs = keys.waitAfter(failure, backoffMs, now)
        // Every other key may be tried once before it counts as another try.
        const isTurn = waitMs === 0 && turns < keys.size - 1
        if (waitMs === null || (!isTurn && retries >= maxRetries)) throw withTries(failure, retries)
        if (isTurn) turns += 1
        else {
          retries += 1
          turns = 0
        }
        watcher.onRetry(failure, waitMs, keys.current === refused ? null : keys.current.variable)
        await pause(waitMs, signal)
        signal.throwIfAborted()
      }
    }
  }
}

function withTries({ reason, message, retryAfterMs }: ProviderFailure, retries: number): ProviderFailure {
  const wait =
    retryAfterMs === null ? '' : `; the server asks for a wait of ${Math.ceil(retryAfterMs / 1_000)} s`
  const tries = retries === 0 ? '' : ` (tried ${retries + 1} times)`
  return new ProviderFailure(reason, `${message}${wait}${tries}`, retryAfterMs)
}

/** Without `execute`: a call of a tool ends the stream, and the loop runs it. */
function toolSet(tools: ReadonlyMap<string, AgentTool>): ToolSet {
  return Object.fromEntries(
    [...tools.values()].map(({ name, description, schema }) => [
      name,
      tool({ description, inputSchema: schema }),
    ]),
  )
}

async function attempt(
  { messages, mayUseTools }: CallRequest,
  tools: ToolSet,
  { model, keys, answerFormat, system, settings, signal, watcher }: CallOptions,
): Promise<ModelReply> {
  const { idleTimeoutSeconds, temperature, maxOutputTokens } = settings
  const scope = openScope(signal)
  const silence = new ProviderFailure('connection', `the model sent nothing for ${idleTimeoutSeconds} s`)
  const idle = setTimeout(() => scope.abort(silence), idleTimeoutSeconds * 1_000)
  const hasTools = Object.keys(tools).length > 0
  // Beside tools many servers refuse it, or take it for the form of the calls.
  const isFormed = answerFormat !== null && !(hasTools && mayUseTools)
  try {
    const result = streamText({
      model: model(keys.current.value),
      system,
      messages: [...messages],
      ...(hasTools && { tools, toolChoice: mayUseTools ? 'auto' : 'none' }),
      ...(isFormed && {
        providerOptions: { [providerName]: { response_format: answerFormat as JSONValue } },
      }),
      ...(temperature !== undefined && { temperature }),
      ...(maxOutputTokens !== undefined && { maxOutputTokens }),
      maxRetries: 0,
      abortSignal: scope.signal,
      onError: () => undefined,
    })
    const read = await readStream(result.fullStream, watcher, () => idle.refresh())
    // Only what calls tools is said again as it was.
    const said = read.calls.length === 0 ? [] : (await result.response).messages
    return { ...read, message: assistantMessage(said) }
  } catch (error) {
    throw scope.signal.reason === silence ? silence : error
  } finally {
    clearTimeout(idle)
    scope.release()
    // Whatever of the answer has not been read is not waited for.
    scope.abort(new Error('the call is over'))
  }
}

/** @throws what the stream says went wrong. */
async function readStream(
  stream: AsyncIterable<TextStreamPart<ToolSet>>,
  watcher: CallWatcher,
  onPart: () => void,
): Promise<Omit<ModelReply, 'message'>> {
  let text = ''
  let reasoning = ''
  let end: { readonly finish: FinishReason; readonly usage: LanguageModelUsage } | null = null
  const calls: ToolCall[] = []
  for await (const part of stream) {
    onPart()
    const { type } = part
    // A tool that was called where none may be is left out: what was said beside it is the answer.
    if (type === 'error' && !ToolChoiceViolationError.isInstance(part.error)) throw part.error
    if (type === 'text-delta') text += part.text
    if (type === 'reasoning-delta') reasoning += part.text
    if (type.endsWith('-delta')) watcher.onChunk(text, null)
    if (type === 'tool-input-start') watcher.onChunk(text, part.toolName)
    if (type === 'tool-call') calls.push(toolCall(part))
    if (type === 'finish-step') end = { finish: part.finishReason, usage: part.usage }
  }
  // Also where the stream was aborted: the caller knows why.
  if (end === null) throw new ProviderFailure('bad_response', 'the answer ended before its end')
  return { text, reasoning, calls, ...end }
}

function toolCall(part: TypedToolCall<ToolSet>): ToolCall {
  const { toolCallId: id, toolName: name, input } = part
  return { id, name, input, problem: part.invalid === true ? problemOf(part.error) : null }
}

/** In words for the model. */
function problemOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.slice(0, 1_000)
}

/** Inputs that are no object are said again as an empty one: many servers take nothing else. */
function assistantMessage(messages: readonly ModelMessage[]): AssistantModelMessage | null {
  const message = messages.find((found) => found.role === 'assistant')
  if (message === undefined || typeof message.content === 'string') return message ?? null
  const content = message.content.map((part) =>
    part.type === 'tool-call' && !isJsonObject(part.input) ? { ...part, input: {} } : part,
  )
  return { ...message, content }
}
