import { readFile, stat } from 'node:fs/promises'
import { createContext, Script } from 'node:vm'
import * as z from 'zod'
import { defineTool, ToolError, type AgentTool } from './agent-tool.js'
import { textOf, walk } from './file-walk.js'
import { nameMatcher } from './glob.js'
import type { WorkFolder } from './work-folder.js'

const searchBytes = 2_000_000
const maxMatches = 200
const lineCharacters = 300
/** All regular expressions of one search. */
const searchMs = 5_000

interface Match {
  readonly line: number
  readonly text: string
}

export function searchTool(folder: WorkFolder): AgentTool {
  return defineTool({
    name: 'search_files',
    description: `Finds the lines that match a regular expression (JavaScript), at most ${maxMatches}. Leaves out .git, node_modules and files over ${searchBytes} bytes.`,
    schema: z.object({
      regex: z.string().min(1).max(1_000),
      path: z.string().default('.').describe('A file or a folder, from the work folder'),
      pattern: z.string().max(200).optional().describe('Only files that match: *.ts'),
      ignore_case: z.boolean().default(false),
    }),
    async run({ regex, path, pattern, ignore_case }, signal) {
      const real = await folder.existing(path)
      const search = lineSearch(regex, ignore_case ? 'i' : '')
      const matches = nameMatcher(pattern)
      const found: string[] = []
      const files = (await stat(real)).isDirectory() ? walk(real, signal) : [real]
      for await (const file of files) {
        const shown = folder.shown(file)
        if (!matches(shown)) continue
        for (const { line, text } of search(await textIn(file), maxMatches - found.length))
          found.push(`${shown}:${line}: ${text}`)
        if (found.length >= maxMatches) return `${found.join('\n')}\n(there may be more)`
      }
      return found.length === 0 ? '(no match)' : found.join('\n')
    },
  })
}

/** Nothing of a file that is none, too large, or gone. */
async function textIn(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > searchBytes) return ''
    return textOf(await readFile(file), file)
  } catch {
    return ''
  }
}

/**
 * The expression is the model's, and may run for ever: that can be ended only where it runs under a time limit.
 * @throws {ToolError} for what is no regular expression.
 */
function lineSearch(regex: string, flags: string): (text: string, limit: number) => readonly Match[] {
  let expression: RegExp
  try {
    expression = new RegExp(regex, flags)
  } catch (error) {
    throw new ToolError(error instanceof Error ? error.message : String(error))
  }
  const context = createContext({ expression, text: '', limit: 0 })
  const script = new Script(`(() => {
    const found = []
    for (const [index, line] of text.split('\\n').entries()) {
      if (found.length >= limit) break
      if (expression.test(line)) found.push({ line: index + 1, text: line.slice(0, ${lineCharacters}) })
    }
    return found
  })()`)
  let leftMs = searchMs
  return (text, limit) => {
    if (text === '') return []
    Object.assign(context, { text, limit })
    const startedMs = performance.now()
    try {
      return script.runInContext(context, { timeout: Math.max(1, Math.ceil(leftMs)) }) as readonly Match[]
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      throw new ToolError(
        `the search took longer than ${searchMs} ms: use a simpler expression, or fewer files`,
      )
    } finally {
      leftMs -= performance.now() - startedMs
    }
  }
}
