import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from './agent-tool.js'

/** The largest file that is read. */
export const readBytes = 10_000_000
const maxFiles = 50_000
const maxDepth = 32
const leftOut: ReadonlySet<string> = new Set(['.git', 'node_modules'])

/** Files below a folder, no links among them; ends early after very many. */
export async function* walk(folder: string, signal: AbortSignal): AsyncGenerator<string> {
  let files = 0
  const open: { readonly path: string; readonly depth: number }[] = [{ path: folder, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const entries = await opendir(next.path).catch(() => null)
    if (entries === null) continue
    for await (const entry of entries) {
      signal.throwIfAborted()
      const path = join(next.path, entry.name)
      if (entry.isDirectory() && !leftOut.has(entry.name) && next.depth < maxDepth)
        open.push({ path, depth: next.depth + 1 })
      if (!entry.isFile()) continue
      files += 1
      if (files > maxFiles) return
      yield path
    }
  }
}

/** @throws {ToolError} for what is no UTF-8 text: shown it would be noise, and written back it would be damaged. */
export function textOf(content: Buffer, path: string): string {
  try {
    if (!content.includes(0))
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    // told below
  }
  throw new ToolError(`${path} is no text`)
}
