/** One child, from its options to its result. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { JsonObject, RunnerContext, RunnerResult, RunnerTask } from '../runner.js'
import { AgentError } from './agent-error.js'
import { readAgentOptions, type AgentSettings } from './agent-options.js'
import { systemPrompt } from './conversation.js'
import { honestUsage } from './honest-usage.js'
import { createHttp, type Http } from './http-fetch.js'
import { leaseKeys } from './key-ring.js'
import { modelCaller, providerName, type CallWatcher } from './model-call.js'
import { runLoop, usable, type LoopAnswer, type LoopState } from './model-loop.js'
import { ProviderFailure } from './provider-error.js'
import { secretGuard, type SecretGuard } from './secret-guard.js'
import { sessionOf, type Session } from './session.js'
import { chosenToolsets, openTools } from './toolsets.js'
import { usedSince } from './usage.js'
import { openWorkFolder } from './work-folder.js'

/** One answer of the model, bytes: a server that never ends is left. */
const replyBytes = 32_000_000
/** Of what was sent to the child and came too late for its model. */
const unsaidTexts = 32
const unsaidCharacters = 1_000
/** How much of what is being said is shown to those who watch. */
const shownCharacters = 200

// Its notes on servers that do less than all would stand in every child's transcript.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })

/** @throws {AgentError} for a child that cannot begin. Everything after that is a result. */
export async function runAgentTask(task: RunnerTask, ctx: RunnerContext): Promise<RunnerResult> {
  const settings = settingsOf(ctx.options)
  const guard = secretGuard(settings, process.env)
  // By the host's own context its correction finds it again.
  const session = sessionOf(task, ctx, settings)
  try {
    return guard.json(await runSession({ task, ctx: guard.context(ctx), settings, session, guard }))
  } catch (error) {
    throw guard.error(error)
  }
}

interface SessionRun {
  readonly task: RunnerTask
  readonly ctx: RunnerContext
  readonly settings: AgentSettings
  readonly session: Session
  readonly guard: SecretGuard
}

async function runSession({ task, ctx, settings, session, guard }: SessionRun): Promise<RunnerResult> {
  const model = modelOf(task, settings)
  const keys = await leaseKeys(settings, ctx)
  const folder = await openWorkFolder(settings.workdir ?? process.cwd())
  const chosen = chosenToolsets(settings, task.toolsets)
  const { state, count, steering } = session
  const tell = teller(ctx, session, guard)
  ctx.log(task.goal, 'kickoff')
  const http = createHttp({ maxBytes: replyBytes, through: () => honestUsage((said) => ctx.log(lied(said))) })
  let close = (): Promise<void> => Promise.resolve()
  const answerFormat = answerFormatOf(task, settings)
  try {
    const opened = await openTools({ settings, chosen, task, ctx, folder })
    close = opened.close
    const call = modelCaller({
      model: (key) => providerAt(settings.baseUrl, http.fetch, key)(model),
      keys,
      answerFormat,
      system: systemPrompt(task, {
        workdir: folder.root,
        tools: opened.tools,
        instructions: settings.instructions ?? null,
      }),
      tools: opened.tools,
      settings,
      signal: ctx.signal,
      random,
      watcher: watcherOf(ctx, state, tell),
    })
    const maxIterations = Math.min(settings.maxIterations, task.maxIterations)
    // What the server forms needs no tools any more.
    const mayUseTools = task.correction === undefined || answerFormat === null
    const loop = { state, call, tools: opened.tools, maxIterations, mayUseTools, steering, count, ctx, tell }
    const answer = await runLoop(loop)
    return { ...answeredWith(answer), ...measured(session, model, ctx) }
  } catch (error) {
    if (ctx.signal.aborted) return { ...interruptedBy(ctx.signal, state), ...measured(session, model, ctx) }
    if (!(error instanceof ProviderFailure)) throw error
    return { ...failedWith(error, state), ...measured(session, model, ctx) }
  } finally {
    http.close()
    await close()
  }
}

function providerAt(baseUrl: string, fetch: Http['fetch'], apiKey: string | null) {
  return createOpenAICompatible({
    name: providerName,
    baseURL: baseUrl.replace(/\/+$/, ''),
    includeUsage: true,
    fetch,
    ...(apiKey !== null && { apiKey }),
  })
}

function answerFormatOf({ outputSchema }: RunnerTask, { jsonMode }: AgentSettings): JsonObject | null {
  if (outputSchema === undefined || jsonMode === 'none') return null
  if (jsonMode === 'object') return { type: 'json_object' }
  return { type: 'json_schema', json_schema: { name: 'answer', schema: outputSchema, strict: true } }
}

function watcherOf(ctx: RunnerContext, state: LoopState, tell: (tool: string | null) => void): CallWatcher {
  return {
    onChunk(text, tool) {
      if (usable(text) !== '') state.text = text
      tell(tool)
    },
    onRetry({ reason, message }, waitMs, variable) {
      state.retries += 1
      const withKey = variable === null ? '' : `, with the key of ${variable}`
      ctx.log(`${reason}: ${message}; tried again in ${(waitMs / 1_000).toFixed(1)} s${withKey}`)
      tell(null)
    },
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

const lied = (said: string): string => `the server's count of tokens cannot be true, and is left out: ${said}`

function teller(
  ctx: RunnerContext,
  { state, count }: Session,
  guard: SecretGuard,
): (tool: string | null) => void {
  return (tool) =>
    ctx.progress({
      api_calls: state.apiCalls,
      current_tool: tool,
      retries: state.retries,
      usage: count.fields().usage,
      last_activity: Date.now() / 1_000,
      // Cut after it was looked through: half a secret would not be known.
      text: guard.text(state.text.slice(-shownCharacters * 20)).slice(-shownCharacters),
    })
}

/** What every result has, however it came about (spec 4.6). Those of a correction are added to the run's before it. */
function measured(
  { state, count, steering, before }: Session,
  model: string,
  { log }: RunnerContext,
): RunnerResult {
  const { usage, tokens, cost } = count.fields()
  // It came too late for any call; a correction says it to the model yet, and then takes this back.
  const unsaid = steering.waiting.slice(0, unsaidTexts).map((text) => text.slice(0, unsaidCharacters))
  for (const text of unsaid) log(`came after the last call: ${text}`)
  return {
    model,
    api_calls: state.apiCalls - before.apiCalls,
    usage: usedSince(usage, before.usage),
    tokens,
    ...cost,
    ...(state.retries > 0 && { retries: state.retries }),
    tool_trace: state.trace,
    unsaid_steer: unsaid.length > 0 ? unsaid : undefined,
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
