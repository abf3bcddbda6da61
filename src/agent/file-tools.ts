import { readdir } from 'node:fs/promises'
import * as z from 'zod'
import { defineTool, ToolError, type AgentTool } from './agent-tool.js'
import { searchTool } from './file-search.js'
import { nameMatcher } from './glob.js'
import { readBytes, textOf, walk } from './file-walk.js'
import { reasonOf, type WorkFolder } from './work-folder.js'

const writeCharacters = 2_000_000
const lineCharacters = 2_000
const readLines = 2_000
const listEntries = 1_000

const path = z.string().describe('From the work folder')

/** The toolset `file`: nothing of it reaches beyond the work folder. */
export function fileTools(folder: WorkFolder): readonly AgentTool[] {
  return [readTool(folder), listTool(folder), searchTool(folder), editTool(folder), writeTool(folder)]
}

function readTool(folder: WorkFolder): AgentTool {
  return defineTool({
    name: 'read_file',
    description: `Reads a text file. Lines are numbered from 1; at most ${readLines} lines are read at once.`,
    schema: z.object({
      path,
      from_line: z.coerce.number().int().min(1).default(1),
      lines: z.coerce.number().int().min(1).max(readLines).default(readLines),
    }),
    async run({ path, from_line, lines }) {
      const all = textOf(await folder.read(path, readBytes), path).split('\n')
      if (all.at(-1) === '') all.pop()
      if (all.length === 0) return '(the file is empty)'
      if (from_line > all.length) throw new ToolError(`${path} has ${all.length} lines`)
      const shown = all
        .slice(from_line - 1, from_line - 1 + lines)
        .map((line, index) => `${from_line + index}\t${line.slice(0, lineCharacters)}`)
      const rest = all.length - (from_line - 1 + shown.length)
      return rest > 0 ? `${shown.join('\n')}\n(${rest} more lines)` : shown.join('\n')
    },
  })
}

function listTool(folder: WorkFolder): AgentTool {
  return defineTool({
    name: 'list_files',
    description: `Lists a folder, at most ${listEntries} entries; folders end in "/". Recursively it leaves out .git and node_modules.`,
    schema: z.object({
      path: path.default('.'),
      recursive: z.boolean().default(false),
      pattern: z.string().max(200).optional().describe('Only what matches: *.ts, src/**/*.md'),
    }),
    async run({ path, recursive, pattern }, signal) {
      const real = await folder.existing(path)
      const matches = nameMatcher(pattern)
      const found: string[] = []
      let left = 0
      const add = (name: string): void => {
        if (!matches(name)) return
        if (found.length < listEntries) found.push(name)
        else left += 1
      }
      if (recursive) for await (const file of walk(real, signal)) add(folder.shown(file))
      else
        for (const name of await namesIn(real, path))
          add(folder.shown(real) === '.' ? name : `${folder.shown(real)}/${name}`)
      if (found.length === 0) return '(nothing)'
      return left > 0 ? `${found.join('\n')}\n(${left} more)` : found.join('\n')
    },
  })
}

/** Names, those of folders with a slash behind them. */
async function namesIn(real: string, path: string): Promise<string[]> {
  const entries = await readdir(real, { withFileTypes: true }).catch((error: unknown) => {
    throw new ToolError(`${path}: ${reasonOf(error)}`)
  })
  return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
}

function editTool(folder: WorkFolder): AgentTool {
  return defineTool({
    name: 'edit_file',
    description:
      'Replaces a piece of text in a file. It must be there exactly once, unless all are replaced.',
    schema: z.object({
      path,
      old_text: z.string().min(1),
      new_text: z.string().max(writeCharacters),
      replace_all: z.boolean().default(false),
    }),
    async run({ path, old_text: old, new_text: fresh, replace_all: all }) {
      const before = textOf(await folder.read(path, readBytes), path)
      const times = before.split(old).length - 1
      if (times === 0) throw new ToolError(`${path} does not hold that text`)
      if (times > 1 && !all)
        throw new ToolError(`${path} holds that text ${times} times: give more of it, or set replace_all`)
      // A function, since `$&` and its like stand for themselves here.
      await folder.write(path, all ? before.replaceAll(old, () => fresh) : before.replace(old, () => fresh))
      return `replaced ${times} in ${path}`
    },
  })
}

function writeTool(folder: WorkFolder): AgentTool {
  return defineTool({
    name: 'write_file',
    description: 'Writes a whole file, in place of what was there.',
    schema: z.object({ path, content: z.string().max(writeCharacters) }),
    async run({ path, content }) {
      const shown = await folder.write(path, content)
      return `wrote ${content.length} characters to ${shown}`
    },
  })
}
