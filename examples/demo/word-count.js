// A runner: a plain function in a module. It runs on a thread of its own, says how far it is, and stops when it is told to.
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { defineRunner } from 'hermes-delegate/runner'

export default defineRunner(async (_task, ctx) => {
  const { folder } = ctx.options
  const paths = await sources(folder)
  let words = 0
  for (const [index, path] of paths.entries()) {
    if (ctx.signal.aborted) return { status: 'interrupted', summary: `${words} words so far` }
    words += (await readFile(path, 'utf8')).split(/\s+/).filter(Boolean).length
    ctx.progress({ current_tool: `${index + 1} of ${paths.length}: ${path}`, words })
  }
  return { summary: `${words} words in ${paths.length} files` }
})

/** Another one in the same module, by its name. */
export const longestFunctions = defineRunner(async (_task, ctx) => {
  const { folder, count } = ctx.options
  const found = []
  for (const path of await sources(folder)) {
    if (ctx.signal.aborted) break
    ctx.log(`reading ${path}`)
    found.push(
      ...functionsOf(await readFile(path, 'utf8')).map((entry) => ({
        ...entry,
        path: relative(folder, path),
      })),
    )
  }
  const longest = found.sort((a, b) => b.lines - a.lines).slice(0, count)
  return { summary: longest.map(({ name, lines, path }) => `${lines} lines: ${name} (${path})`).join('\n') }
})

async function sources(folder) {
  const entries = await readdir(folder, { recursive: true })
  return entries.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name))
}

/** From `function name(` to the brace at the same depth: good enough for code that a formatter has seen. */
function functionsOf(text) {
  const lines = text.split('\n')
  return lines.flatMap((line, start) => {
    const head = /^(\s*)(?:export )?(?:async )?function (\w+)/.exec(line)
    if (head === null) return []
    const end = lines.indexOf(`${head[1]}}`, start)
    return end === -1 ? [] : [{ name: head[2], lines: end - start + 1 }]
  })
}
