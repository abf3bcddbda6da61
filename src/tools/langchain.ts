import type { DynamicStructuredTool } from '@langchain/core/tools'
import type { Tools } from './tools.js'

/** For `bindTools` and agents of LangChain; the data as one text. Needs `@langchain/core`, and loads it when called. */
export async function langchainTools(tools: Tools): Promise<DynamicStructuredTool[]> {
  const { DynamicStructuredTool: StructuredTool } = await import('@langchain/core/tools')
  const listed = await tools.list()
  return listed.map(({ name, description, inputSchema }) => {
    const func = async (input: unknown, _manager: unknown, config?: { readonly signal?: AbortSignal }) => {
      const signal = config?.signal
      return JSON.stringify((await tools.call(name, input, signal === undefined ? {} : { signal })).data)
    }
    const shown = new StructuredTool({ name, description, schema: inputSchema, func })
    // LangChain throws for what does not fit the schema to the letter: what models really send is read by the tool itself.
    const lenient = new StructuredTool({ name, description, schema: {}, func })
    shown.invoke = lenient.invoke.bind(lenient)
    return shown
  })
}
