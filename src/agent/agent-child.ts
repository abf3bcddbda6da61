/** The runner, in its thread. What it needs is loaded when a child runs, and not before. */
import { defineRunner } from '../runner.js'
import { needing } from './load-package.js'

export const runAgent = defineRunner(async (task, ctx) => {
  const { runAgentTask } = await needing(['ai', '@ai-sdk/openai-compatible'], import('./run-agent.js'))
  return runAgentTask(task, ctx)
})
