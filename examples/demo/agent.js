// What an agent does, without a model: it makes calls, is in tools, and says so.
import { setTimeout as pause } from 'node:timers/promises'
import { defineRunner } from 'hermes-delegate/runner'

const tools = ['list_files', 'read_file', 'grep']

/** Goes on until it is interrupted, and returns what it has by then. */
export const reads = defineRunner(async (_task, ctx) => {
  let calls = 0
  while (!ctx.signal.aborted) {
    calls += 1
    ctx.progress({ current_tool: tools[calls % 3], api_calls: calls, usage: { input_tokens: 900 * calls } })
    await pause(100)
  }
  return { status: 'interrupted', summary: 'read some files, and stopped when it was told to' }
})

/** Waits for an answer that never comes. */
export const fallsSilent = defineRunner(async (_task, ctx) => {
  ctx.progress({ api_calls: 1, usage: { input_tokens: 900 } })
  await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve, { once: true }))
  return { status: 'interrupted', summary: null, error: ctx.signal.reason }
})
