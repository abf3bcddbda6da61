/** One child, from its options to its result. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { JsonObject, RunnerContext, RunnerResult, RunnerTask } from '../runner.js'
import { AgentError } from './agent-error.js'
import { readAgentOptions, type AgentSettings } from './agent-options.js'
import { messagesFrom, systemPrompt } from './conversation.js'
import { createHttp } from './http-fetch.js'
import { isObject } from './is-object.js'
import { modelCaller } from './model-call.js'
import { runLoop, usable, type LoopAnswer, type LoopState } from './model-loop.js'
import { ProviderFailure } from './provider-error.js'
import type { TraceEntry } from './run-tool.js'
import { chosenToolsets, openTools } from './toolsets.js'
import { createUsageCount, type UsageCount } from './usage.js'
import { openWorkFolder } from './work-folder.js'

/** One answer of the model, bytes: a server that never ends is left. */
const replyBytes = 32_000_000
/** How much of what is being said is shown to those who watch. */
const shownCharacters = 200

// Its notes on servers that do less than all would stand in every child's transcript.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })

/** @throws {AgentError} for a child that cannot begin. Everything after that is a result. */
export async function runAgentTask(task: RunnerTask, ctx: RunnerContext): Promise<RunnerResult> {
  const settings = settingsOf(ctx.options)
  const model = modelOf(task, settings)
  const apiKey = keyOf(settings)
  const folder = await openWorkFolder(settings.workdir ?? process.cwd())
  const chosen = chosenToolsets(settings, task.toolsets)
  const state = stateFrom(ctx.resumeFrom)
  const count = createUsageCount(settings.prices ?? null, usageFrom(ctx.resumeFrom))
  const tell = teller(ctx, state, count)
  ctx.log(task.goal, 'kickoff')
  const http = createHttp({ maxBytes: replyBytes })
  let close = (): Promise<void> => Promise.resolve()
  try {
    const opened = await openTools({ settings, chosen, task, ctx, folder })
    close = opened.close
    const provider = createOpenAICompatible({
      name: 'provider',
      baseURL: settings.baseUrl.replace(/\/+$/, ''),
      includeUsage: true,
      fetch: http.fetch,
      ...(apiKey !== null && { apiKey }),
    })
    const prompt = {
      workdir: folder.root,
      hasTools: opened.tools.size > 0,
      instructions: settings.instructions ?? null,
    }
    const call = modelCaller({
      model: provider(model),
      system: systemPrompt(task, prompt),
      tools: opened.tools,
      settings,
      signal: ctx.signal,
      random,
      watcher: {
        onChunk(text, tool) {
          if (usable(text) !== '') state.text = text
          tell(tool)
        },
        onRetry({ reason, message }, waitMs) {
          state.retries += 1
          ctx.log(`${reason}: ${message}; tried again in ${(waitMs / 1_000).toFixed(1)} s`)
          tell(null)
        },
      },
    })
    const maxIterations = Math.min(settings.maxIterations, task.maxIterations)
    const answer = await runLoop({ state, call, tools: opened.tools, maxIterations, count, ctx, tell })
    return { ...answeredWith(answer), ...measured(state, count, model) }
  } catch (error) {
    if (ctx.signal.aborted) return { ...interruptedBy(ctx.signal, state), ...measured(state, count, model) }
    if (!(error instanceof ProviderFailure)) throw error
    return { ...failedWith(error, state), ...measured(state, count, model) }
  } finally {
    http.close()
    await close()
  }
}

// eslint-disable-next-line no-restricted-syntax -- where chance comes in: everything else is handed it
const random = Math.random

function settingsOf(options: unknown): AgentSettings {
  const read = readAgentOptions(options)
  if ('settings' in read) return read.settings
  throw new AgentError(
    'AGENT_OPTIONS_INVALID',
    `the options of the agent runner:\n  ${read.problems.join('\n  ')}`,
  )
}

function modelOf({ model }: RunnerTask, settings: AgentSettings): string {
  const name = model ?? settings.model
  if (name !== undefined && name !== '') return name
  throw new AgentError('AGENT_MODEL_MISSING', 'neither the task nor the runner names a model')
}

function keyOf({ apiKeyEnv }: AgentSettings): string | null {
  if (apiKeyEnv === undefined) return null
  const key = process.env[apiKeyEnv]?.trim() ?? ''
  if (key !== '') return key
  throw new AgentError('AGENT_KEY_MISSING', `the variable ${apiKeyEnv}, which holds the key, is not set`)
}

function stateFrom(resumeFrom: RunnerContext['resumeFrom']): LoopState {
  const messages = messagesFrom(resumeFrom)
  const fresh: LoopState = {
    messages: [{ role: 'user', content: 'Work on your task now.' }],
    apiCalls: 0,
    retries: 0,
    trace: [],
    text: '',
  }
  if (messages === null || !isObject(resumeFrom)) return fresh
  const { api_calls: apiCalls, retries, tool_trace: trace } = resumeFrom
  return {
    ...fresh,
    messages,
    apiCalls: typeof apiCalls === 'number' ? apiCalls : 0,
    retries: typeof retries === 'number' ? retries : 0,
    trace: Array.isArray(trace) ? [...(trace as readonly TraceEntry[])] : [],
  }
}

function usageFrom(resumeFrom: RunnerContext['resumeFrom']): JsonObject | null {
  const usage = isObject(resumeFrom) ? resumeFrom['usage'] : null
  return isObject(usage) ? usage : null
}

function teller(ctx: RunnerContext, state: LoopState, count: UsageCount): (tool: string | null) => void {
  return (tool) =>
    ctx.progress({
      api_calls: state.apiCalls,
      current_tool: tool,
      retries: state.retries,
      usage: count.fields().usage,
      last_activity: Date.now() / 1_000,
      text: state.text.slice(-shownCharacters),
    })
}

/** What every result has, however it came about (spec 4.6). */
function measured(state: LoopState, count: UsageCount, model: string): RunnerResult {
  const { usage, tokens, cost } = count.fields()
  return {
    model,
    api_calls: state.apiCalls,
    usage,
    tokens,
    ...cost,
    ...(state.retries > 0 && { retries: state.retries }),
    tool_trace: state.trace,
  }
}

function answeredWith({ summary, exitReason, isTruncated }: LoopAnswer): RunnerResult {
  return { status: 'completed', summary, exit_reason: exitReason, ...(isTruncated && { truncated: true }) }
}

function failedWith({ reason, message }: ProviderFailure, { text }: LoopState): RunnerResult {
  const exit_reason = reason === 'max_iterations' ? reason : 'error'
  return { status: 'failed', summary: text || null, error: message, exit_reason, failure_reason: reason }
}

function interruptedBy({ reason }: AbortSignal, { text }: LoopState): RunnerResult {
  const error = reason instanceof Error ? reason.message : String(reason)
  return { status: 'interrupted', summary: text || null, error, exit_reason: 'interrupted' }
}
