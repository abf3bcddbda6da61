/** What one child has said, heard and used, from its first run to its correction. */
import { isJsonObject, type JsonObject, type RunnerContext, type RunnerTask } from '../runner.js'
import type { AgentSettings } from './agent-options.js'
import { corrected, goOnWith, messagesFrom } from './conversation.js'
import type { LoopState } from './model-loop.js'
import type { TraceEntry } from './run-tool.js'
import { openSteering, type Steering } from './steering.js'
import { createUsageCount, type UsageCount } from './usage.js'

export interface Session {
  readonly state: LoopState
  readonly count: UsageCount
  readonly steering: Steering
  /** What was counted before this run: whoever asks for a correction adds the two up. */
  readonly before: { readonly apiCalls: number; readonly usage: JsonObject }
}

/** The context of a child is its identity: its correction is asked for with the same one. */
const sessions = new WeakMap<RunnerContext, Session>()

export function sessionOf(task: RunnerTask, ctx: RunnerContext, settings: AgentSettings): Session {
  const earlier = sessions.get(ctx)
  const session = earlier === undefined ? begun(task, ctx, settings) : again(earlier)
  if (task.correction !== undefined)
    session.state.messages.push({ role: 'user', content: corrected(task.correction.errors) })
  sessions.set(ctx, session)
  return session
}

function again({ state, count, steering }: Session): Session {
  return { state, count, steering, before: { apiCalls: state.apiCalls, usage: count.fields().usage } }
}

function begun({ goal, continued }: RunnerTask, ctx: RunnerContext, { prices }: AgentSettings): Session {
  const { resumeFrom } = ctx
  const messages = messagesFrom(resumeFrom)
  const fresh: LoopState = {
    messages: [{ role: 'user', content: 'Work on your task now.' }],
    apiCalls: 0,
    retries: 0,
    trace: [],
    text: '',
  }
  const common = { steering: openSteering(ctx), before: { apiCalls: 0, usage: {} } }
  const counted = (before: JsonObject | null): UsageCount => createUsageCount(prices ?? null, before)
  if (messages === null || !isJsonObject(resumeFrom)) return { ...common, state: fresh, count: counted(null) }
  if (continued !== undefined) {
    // Its account was settled with the child that ended.
    if ((continued.summary ?? '') !== '')
      messages.push({ role: 'assistant', content: continued.summary ?? '' })
    messages.push({ role: 'user', content: goOnWith(goal) })
    return { ...common, state: { ...fresh, messages }, count: counted(null) }
  }
  const { api_calls: apiCalls, retries, tool_trace: trace, usage } = resumeFrom
  const state = {
    ...fresh,
    messages,
    apiCalls: typeof apiCalls === 'number' ? apiCalls : 0,
    retries: typeof retries === 'number' ? retries : 0,
    trace: Array.isArray(trace) ? [...(trace as readonly TraceEntry[])] : [],
  }
  return { ...common, state, count: counted(isJsonObject(usage) ? usage : null) }
}
