import type { JsonObject } from '../runner.js'
import type { Tools } from './tools.js'

/** What `tools` of a chat completion takes. */
export interface OpenAiTool {
  readonly type: 'function'
  readonly function: { readonly name: string; readonly description: string; readonly parameters: JsonObject }
}

export async function openAiTools(tools: Tools): Promise<readonly OpenAiTool[]> {
  return (await tools.list()).map(({ name, description, inputSchema }) => ({
    type: 'function',
    function: { name, description, parameters: inputSchema },
  }))
}
