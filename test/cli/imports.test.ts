import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

/** All that is loaded along with a module of the build; what `await import` names is not. */
function reachedFrom(entry: URL): { readonly files: string[]; readonly packages: string[] } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const open = [entry]
  for (let url = open.pop(); url !== undefined; url = open.pop()) {
    if (files.has(url.href)) continue
    files.add(url.href)
    const text = readFileSync(url, 'utf8')
    for (const [, specifier = ''] of text.matchAll(
      /^(?:import|export)\b(?:[^'"();]*?\bfrom)?\s*['"]([^'"]+)['"]/gm,
    )) {
      if (specifier.startsWith('.')) open.push(new URL(specifier, url))
      else if (!specifier.startsWith('node:')) packages.add(specifier)
    }
  }
  const root = new URL('../../dist/', import.meta.url).href
  return { files: [...files].map((href) => href.replace(root, '')).sort(), packages: [...packages].sort() }
}

const built = (path: string): URL => new URL(`../../dist/${path}`, import.meta.url)

describe('what is loaded', () => {
  it('before a command runs: commander, and no runtime', () => {
    const { files, packages } = reachedFrom(built('cli/main.js'))
    expect(packages).toEqual(['commander'])
    expect(files).toEqual([
      'cli/arguments.js',
      'cli/commands-deliveries.js',
      'cli/commands-peers.js',
      'cli/commands-run.js',
      'cli/commands-setup.js',
      'cli/commands-units.js',
      'cli/main.js',
      'cli/render.js',
      'cli/terminal-text.js',
    ])
  })

  it('by the way out: nothing else', () => {
    expect(reachedFrom(built('cli/exit.js'))).toEqual({ files: ['cli/exit.js'], packages: [] })
  })

  it('by the tree that others may attach: no package at all', () => {
    const { files, packages } = reachedFrom(built('cli/live-tree.js'))
    expect(packages).toEqual([])
    expect(files.filter((file) => !file.startsWith('cli/'))).toEqual([])
  })

  it('by the agent runner: nothing of a model in the host, and no package at all in its thread before it runs', () => {
    const heavy = ['ai', '@ai-sdk/openai-compatible', '@modelcontextprotocol/client']
    for (const entry of ['cli/run.js', 'index.js', 'agent/agent-runner.js'])
      for (const name of heavy) expect(reachedFrom(built(entry)).packages).not.toContain(name)
    expect(reachedFrom(built('agent/agent-child.js')).packages).toEqual([])
    const { packages } = reachedFrom(built('agent/run-agent.js'))
    expect(packages).toEqual(['@ai-sdk/openai-compatible', 'ai', 'zod'])
    expect(reachedFrom(built('agent/mcp-tools.js')).packages).toContain('@modelcontextprotocol/client')
  })

  it("by the command `mcp`: the SDK only once it is loaded, and Node's part of it only with HTTP", () => {
    expect(reachedFrom(built('cli/mcp.js')).packages).not.toContain('@modelcontextprotocol/server')
    const { packages } = reachedFrom(built('mcp/mcp.js'))
    expect(packages).toContain('@modelcontextprotocol/server')
    expect(packages).not.toContain('@modelcontextprotocol/node')
  })

  it('the walk sees what is there', () => {
    const { packages } = reachedFrom(built('cli/run.js'))
    expect(packages).toEqual(expect.arrayContaining(['piscina', 'pino', 'zod', 'yaml']))
  })
})
