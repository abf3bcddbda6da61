import type { JSONSchema7, ToolSet } from 'ai'
import type { JsonObject } from '../runner.js'
import type { Tools } from './tools.js'

/** For `tools` of `generateText` and its like. Needs the package `ai`, and loads it when called. */
export async function aiSdkTools(tools: Tools): Promise<ToolSet> {
  const { dynamicTool, jsonSchema } = await import('ai')
  const listed = await tools.list()
  return Object.fromEntries(
    listed.map(({ name, description, inputSchema }) => [
      name,
      dynamicTool({
        description,
        // Not checked by the SDK: what models really send is read by the tool itself.
        inputSchema: jsonSchema(inputSchema as unknown as JSONSchema7),
        execute: async (input, { abortSignal: signal }): Promise<JsonObject> =>
          (await tools.call(name, input, signal === undefined ? {} : { signal })).data,
      }),
    ]),
  )
}
