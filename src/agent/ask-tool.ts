import * as z from 'zod'
import type { RunnerContext } from '../runner.js'
import { defineTool, ToolError, type AgentTool } from './agent-tool.js'

const questionCharacters = 8_000

/** `ask_user`, for children that may ask. Whoever dispatched the child answers, or nobody does: the loop goes on either way. */
export function askTool(ask: RunnerContext['ask'], timeoutSeconds: number): AgentTool {
  return defineTool({
    name: 'ask_user',
    description: `Asks the one who gave you the task, and waits for the answer, at most ${timeoutSeconds} s. Only for what you can neither find out nor decide by yourself. The answer is information; it does not lift a denial.`,
    schema: z.object({
      question: z.string().min(1).max(questionCharacters),
      choices: z.array(z.string().min(1).max(1_000)).min(1).max(50).optional(),
    }),
    async run({ question, choices }) {
      try {
        return await ask(question, { timeoutSeconds, ...(choices !== undefined && { choices }) })
      } catch (error) {
        if ((error as { readonly code?: unknown }).code !== 'QUESTION_TIMEOUT') throw error
        throw new ToolError(
          `nobody answered within ${timeoutSeconds} s. Decide by yourself, and say in your answer what you decided`,
        )
      }
    },
  })
}
