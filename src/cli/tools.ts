import { createDelegator } from '../index.js'
import { createTools, openAiTools, toolPrompt, type Tools } from '../tools/tools.js'
import { configFor, type CommandOptions } from './open.js'
import { exitCodes, printJson, printOut, printTable } from './render.js'

export interface ToolsCommandOptions extends CommandOptions {
  readonly prompt?: 'tools' | 'shell'
  readonly openai?: boolean
  readonly runner?: string
  readonly session?: string
}

/** Shows what a host's model is told of its tools, with the limits as they are configured. Opens no ledger. */
export async function tools(options: ToolsCommandOptions): Promise<number> {
  const config = await configFor(options)
  const delegator = await createDelegator(config.options)
  try {
    await show(createTools({ delegator }), options)
    return exitCodes.ok
  } finally {
    await delegator.close()
  }
}

async function show(
  known: Tools,
  { prompt, openai = false, json = false, runner, session }: ToolsCommandOptions,
): Promise<void> {
  if (prompt !== undefined)
    printOut(await toolPrompt(known, prompt, { ...(runner && { runner }), ...(session && { session }) }))
  else if (openai) printJson(await openAiTools(known))
  else if (json) printJson(await known.list())
  else {
    const rows = (await known.list()).map(({ name, section, description }) => [name, section, description])
    printTable([['NAME', 'SECTION', 'WHAT IT DOES'], ...rows])
  }
}
