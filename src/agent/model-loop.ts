/** The loop: the model is asked, its tools are run, and it is asked again, until it answers or its budget is used up. */
import type { ModelMessage, ToolModelMessage } from 'ai'
import type { RunnerContext } from '../runner.js'
import { delegateTaskName, type AgentTool } from './agent-tool.js'
import { checkpointOf, compacted, goOn, lastCall, nudge, steered } from './conversation.js'
import type { CallModel, ModelReply, ToolCall } from './model-call.js'
import { ProviderFailure } from './provider-error.js'
import { runTool, type TraceEntry } from './run-tool.js'
import type { Steering } from './steering.js'
import type { UsageCount } from './usage.js'

/** Where a child is. A checkpoint of it is what another run begins with. */
export interface LoopState {
  messages: ModelMessage[]
  /** Calls of the model, each counted once however often it was tried. */
  apiCalls: number
  retries: number
  readonly trace: TraceEntry[]
  /** The newest that the model said, whole or not: what is left of a child that does not come to its end. */
  text: string
}

export interface Loop {
  readonly state: LoopState
  readonly call: CallModel
  readonly tools: ReadonlyMap<string, AgentTool>
  readonly maxIterations: number
  /** False: no tool runs, whatever is left of the budget. */
  readonly mayUseTools: boolean
  readonly steering: Steering
  readonly count: UsageCount
  readonly ctx: RunnerContext
  /** Tells those who watch; `current_tool` is null while no tool runs. */
  readonly tell: (tool: string | null) => void
}

/** A tool ran for each call of this many in one message; the others are told that they were too many. */
const maxCallsTogether = 32
/** How often an answer that was cut off is gone on with. */
const maxParts = 4

/** The answer, and whether it is all that was asked for. */
export interface LoopAnswer {
  readonly summary: string
  readonly exitReason: 'completed' | 'max_iterations'
  readonly isTruncated: boolean
}

/** @throws {ProviderFailure} when it comes to no answer; the signal's reason when it is interrupted. */
export async function runLoop(loop: Loop): Promise<LoopAnswer> {
  const { state, tools, maxIterations, steering, ctx } = loop
  const say = (content: string): void => void state.messages.push({ role: 'user', content })
  let wasNudged = false
  let parts: string[] = []
  if (state.apiCalls >= maxIterations) throw usedUp(maxIterations)
  for (;;) {
    ctx.signal.throwIfAborted()
    // Never into the middle of an answer.
    if (parts.length === 0) hear(loop)
    const isLast = state.apiCalls + 1 >= maxIterations
    const isForced = isLast && tools.size > 0 && loop.mayUseTools
    if (isForced) say(lastCall)
    const reply = await answered(loop, loop.mayUseTools && !isLast)
    if (reply.calls.length > 0 && loop.mayUseTools && !isLast) {
      await useTools(loop, reply)
      wasNudged = false
      parts = []
      continue
    }
    const text = usable(reply.text)
    if (text !== '') {
      parts.push(text)
      state.messages.push({ role: 'assistant', content: reply.text })
    }
    const isCutOff = reply.finish === 'length'
    if (text !== '' && isCutOff && !isLast && parts.length < maxParts) {
      say(goOn)
      continue
    }
    if (steering.waiting.length > 0 && !isLast) {
      parts = []
      continue
    }
    if (parts.length > 0) {
      const exitReason = isForced ? 'max_iterations' : 'completed'
      return { summary: parts.join(''), exitReason, isTruncated: isForced || isCutOff }
    }
    if (wasNudged || isLast || reply.finish === 'content-filter')
      throw withoutAnswer(reply, isForced, maxIterations)
    wasNudged = true
    ctx.log('the answer was empty: the model is asked once more')
    say(nudge)
  }
}

/** What was sent meanwhile is said now, and kept: who goes on after a crash knows of it. */
function hear(loop: Loop): void {
  const { state, steering, ctx } = loop
  const texts = steering.take()
  if (texts.length === 0) return
  for (const text of texts) {
    ctx.log(`told: ${text}`)
    state.messages.push({ role: 'user', content: steered(text) })
  }
  keep(loop)
}

/** `(empty)` is what some say instead of nothing, and no answer either (spec 4.6). */
export function usable(text: string): string {
  return /^\s*(?:\(empty\)\s*)?$/i.test(text) ? '' : text
}

function withoutAnswer({ finish }: ModelReply, isForced: boolean, budget: number): ProviderFailure {
  if (finish === 'content-filter')
    return new ProviderFailure('content_filter', "the provider's filter held the answer back")
  if (isForced) return usedUp(budget)
  return new ProviderFailure('empty_answer', 'the model gave no answer, not even when it was asked again')
}

function usedUp(budget: number): ProviderFailure {
  return new ProviderFailure('max_iterations', `the budget of ${budget} calls was used up without an answer`)
}

/** One answer of the model. A conversation that has become too long is shortened once, and asked with again. */
async function answered(loop: Loop, mayUseTools: boolean): Promise<ModelReply> {
  const { state, call, count, ctx, tell } = loop
  tell(null)
  const textBefore = state.text
  const ask = (): Promise<ModelReply> => call({ messages: state.messages, mayUseTools })
  const reply = await ask().catch((error: unknown) => {
    const isOverflow = error instanceof ProviderFailure && error.reason === 'context_overflow'
    const shorter = isOverflow ? compacted(state.messages) : null
    if (shorter === null) throw error
    ctx.log('the conversation is too long for the model: results of earlier tools are dropped')
    state.messages = shorter
    return ask()
  })
  state.text = usable(reply.text) === '' ? textBefore : reply.text
  state.apiCalls += 1
  count.add(reply.usage)
  if (reply.reasoning !== '') ctx.log(reply.reasoning, 'thinking')
  if (reply.text !== '') ctx.log(reply.text, 'assistant')
  tell(null)
  return reply
}

async function useTools(loop: Loop, { message, calls }: ModelReply): Promise<void> {
  const { state, ctx } = loop
  const content: ToolModelMessage['content'] = []
  for (const [index, call] of calls.entries()) {
    const tooMany =
      index >= maxCallsTogether ? `at most ${maxCallsTogether} tools are run for one message` : null
    content.push(await resultOf(loop, call, tooMany))
    ctx.signal.throwIfAborted()
  }
  if (message !== null) state.messages.push(message)
  state.messages.push({ role: 'tool', content })
  keep(loop)
}

function keep({ state, ctx, count }: Loop): void {
  const messages = checkpointOf(state.messages)
  if (messages === null) return
  ctx.checkpoint({
    kind: 'agent-1',
    messages,
    api_calls: state.apiCalls,
    retries: state.retries,
    usage: count.fields().usage,
    tool_trace: state.trace.slice(-100),
  })
}

async function resultOf(
  { tools, ctx, state, tell }: Loop,
  call: ToolCall,
  refusal: string | null,
): Promise<ToolModelMessage['content'][number]> {
  tell(call.name)
  const { text, isError } = await runTool({ call, tools, refusal, ctx, trace: state.trace })
  tell(null)
  // What those below had finished is handed up, also by one that is stopped (P5).
  if (ctx.signal.aborted && !isError && call.name === delegateTaskName)
    state.text = [state.text, text].filter((part) => part !== '').join('\n\n')
  return {
    type: 'tool-result',
    toolCallId: call.id,
    toolName: call.name,
    output: { type: isError ? 'error-text' : 'text', value: text },
  }
}
