import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { read, root } from '../support/sources.js'
import { startHttp, temporaryFolder } from './support.js'

const run = promisify(execFile)
const program = join(root, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
const conformance = (...args: readonly string[]) =>
  run(process.execPath, [program, ...args], { cwd: temporaryFolder() })

/** The rest asks for tools, prompts and resources of the suite's own example server; docs/mcp.md says which, and why. */
const applicable = [
  'server-initialize',
  'ping',
  'tools-list',
  'tools-call-simple-text',
  'tools-call-error',
  'server-sse-multiple-streams',
  'resources-list',
  'dns-rebinding-protection',
]

describe('the official conformance suite, against the HTTP server', () => {
  it.each(applicable)('%s', async (scenario) => {
    const { url } = await startHttp(temporaryFolder())
    const { stdout } = await conformance('server', '--url', url.href, '--scenario', scenario)
    expect(stdout).toMatch(/Passed: (\d+)\/\1, 0 failed, 0 warnings/)
  })

  it('docs/mcp.md names every scenario that the suite has', async () => {
    const { stdout } = await conformance('list')
    const [, listed = ''] = /Server scenarios[^\n]*\n([\s\S]*?)\n\n/.exec(stdout) ?? []
    const scenarios = listed.split('\n').map((line) => line.replace('  - ', ''))
    expect(scenarios.length).toBeGreaterThan(30)
    const page = read('docs/mcp.md')
    for (const scenario of scenarios) expect(page).toContain(`\`${scenario}\``)
  })
})
