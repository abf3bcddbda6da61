import type { RunnerContext } from '../runner.js'
import type { AgentTool } from './agent-tool.js'
import { bounded } from './bounded-text.js'
import type { ToolCall } from './model-call.js'

/** What a tool was given and what came of it, in sizes (spec 4.6). */
export type TraceEntry = {
  readonly tool: string
  readonly args_bytes: number
  readonly result_bytes: number
  readonly status: 'ok' | 'error'
}

/** Older entries go: a result has a bound of its own. */
const traceEntries = 500
const toolNameCharacters = 64
const errorCharacters = 8_000

interface ToolRun {
  readonly call: ToolCall
  readonly tools: ReadonlyMap<string, AgentTool>
  /** Why it is not run, whatever it is. */
  readonly refusal: string | null
  readonly ctx: RunnerContext
  readonly trace: TraceEntry[]
}

/** Runs one tool. Whatever goes wrong is told to the model; only the child's own interrupt ends it. */
export async function runTool({
  call,
  tools,
  refusal,
  ctx,
  trace,
}: ToolRun): Promise<{ text: string; isError: boolean }> {
  const name = call.name.slice(0, toolNameCharacters)
  const args = JSON.stringify(call.input ?? null)
  ctx.log(`${name} ${args}`, 'args')
  const tool = tools.get(call.name)
  let text: string
  let isError = true
  if (tool === undefined)
    text = `there is no tool ${JSON.stringify(name)}; there are: ${[...tools.keys()].join(', ')}`
  else if (refusal !== null || call.problem !== null) text = refusal ?? call.problem ?? ''
  else {
    try {
      text = bounded(await tool.run(call.input, ctx.signal))
      isError = false
    } catch (error) {
      ctx.signal.throwIfAborted()
      text = bounded(error instanceof Error ? error.message : String(error), errorCharacters)
    }
  }
  ctx.log(`${name} ${isError ? 'failed' : 'ok'}: ${text}`, 'result')
  trace.push({
    tool: name,
    args_bytes: Buffer.byteLength(args),
    result_bytes: Buffer.byteLength(text),
    status: isError ? 'error' : 'ok',
  })
  if (trace.length > traceEntries) trace.shift()
  return { text, isError }
}
