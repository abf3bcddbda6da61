/** A tool that the model may call. */
import { jsonSchema, type JSONSchema7, type Schema } from 'ai'
import * as z from 'zod'

/** The tool of those that may delegate. */
export const delegateTaskName = 'delegate_task'

export interface AgentTool {
  readonly name: string
  readonly description: string
  readonly schema: Schema
  /** What the model is told; a throw is told as an error, and the loop goes on. */
  run(input: unknown, signal: AbortSignal): Promise<string>
}

/** What the model did wrong, or may not do, in words for the model. */
export class ToolError extends Error {
  override readonly name = 'ToolError'
}

interface ToolParts<Input extends z.ZodType> {
  readonly name: string
  readonly description: string
  readonly schema: Input
  run(input: z.output<Input>, signal: AbortSignal): Promise<string> | string
}

/** Its input is checked, and completed for it alone: the conversation keeps what the model said. */
export function defineTool<Input extends z.ZodType>({ schema, run, ...tool }: ToolParts<Input>): AgentTool {
  return {
    ...tool,
    schema: jsonSchema(z.toJSONSchema(schema, { target: 'draft-7', io: 'input' }) as JSONSchema7, {
      validate(value) {
        const { error } = schema.safeParse(value)
        return error === undefined ? { success: true, value } : { success: false, error }
      },
    }),
    run: async (input, signal) => run(schema.parse(input), signal),
  }
}
