import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { bin } from '../e2e/cli-process.js'
import { connect, stdioServer, temporaryFolder } from '../mcp/support.js'
import { read, root } from '../support/sources.js'

interface ClaudeConfig {
  readonly mcpServers: Readonly<
    Record<string, { readonly command: string; readonly args: readonly string[] }>
  >
}
interface OpencodeConfig {
  readonly mcp: Readonly<Record<string, { readonly type: string; readonly command: readonly string[] }>>
}

function commandOf(host: string): readonly string[] {
  if (host === 'claude-code') {
    const config = JSON.parse(read('examples/claude-code/.mcp.json')) as ClaudeConfig
    const { command = '', args = [] } = config.mcpServers['hermes-delegate'] ?? {}
    return [command, ...args]
  }
  const { mcp } = JSON.parse(read('examples/opencode/opencode.json')) as OpencodeConfig
  expect(mcp['hermes-delegate']?.type).toBe('local')
  return mcp['hermes-delegate']?.command ?? []
}

describe.each(['claude-code', 'opencode'])('examples/%s', (host) => {
  it('what its configuration starts is a server with these tools, and the runner it names', async () => {
    const folder = temporaryFolder()
    copyFileSync(join(root, 'examples', host, 'hermes-delegate.yaml'), join(folder, 'hermes-delegate.yaml'))
    const [npx, ...args] = commandOf(host)
    expect(npx).toBe('npx')
    const packages = args.flatMap((arg) =>
      arg.startsWith('--package=') ? arg.slice('--package='.length) : [],
    )
    expect(packages).toEqual(['hermes-delegate', '@modelcontextprotocol/server@2'])
    const own = args.slice(args.indexOf('hermes-delegate') + 1)
    const client = await connect('v1', { ...stdioServer(folder), args: [bin, ...own] })
    expect((await client.tools()).map(({ name }) => name)).toContain('delegate_task')
    expect((await client.call('capacity')).data).toMatchObject({ limit: 3 })
  })
})
