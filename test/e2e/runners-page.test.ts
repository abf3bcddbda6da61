import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.js'
import { commandRunner, type CommandRunnerOptions, type RunnerReference } from '../../src/index.js'
import { idOf, open } from '../runtime/support.js'
import { read } from '../support/sources.js'

const page = read('docs/runners.md')
const folder = mkdtempSync(join(tmpdir(), 'runners-page-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, code]) => code ?? '')

/** What code of the page makes, as a module of its own. */
async function evaluated(code: string): Promise<RunnerReference> {
  const file = join(folder, `${randomUUID()}.mjs`)
  const front = new URL('../../dist/index.js', import.meta.url).href
  writeFileSync(file, `import { commandRunner } from ${JSON.stringify(front)}\n${code}`)
  return ((await import(pathToFileURL(file).href)) as { default: RunnerReference }).default
}

describe('docs/runners.md', () => {
  it('its program runs as it is written, and its output is read as the page says', async () => {
    const code = blocks('js').find((text) => text.startsWith('const runner'))
    const made = await evaluated(`${code}; export default runner`)
    const output = blocks('json')[0] ?? ''
    writeFileSync(
      join(folder, 'agent.js'),
      `if (process.argv[2] !== 'count to three') process.exit(1)
       process.stdout.write(${JSON.stringify(output)})`,
    )
    const runner = commandRunner({ ...(made.options as CommandRunnerOptions), cwd: folder })
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'count to three', runner }))
    expect(await delegator.wait(id)).toMatchObject({
      status: 'completed',
      summary: 'one, two, three',
      api_calls: 3,
      session_id: 's-1',
    })
  })

  it('its other runners can be made', async () => {
    const lines = page.match(/commandRunner\({ preset: .*}\)/g) ?? []
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      const made = await evaluated(`const event = { session_id: 'abc-1' }; export default ${line}`)
      expect(made).toMatchObject({ options: { preset: 'claude' } })
    }
    const config = join(folder, 'config.yaml')
    writeFileSync(config, blocks('yaml')[0] ?? '')
    const { runners } = await loadConfig({ path: config, env: {} })
    expect(Object.keys(runners)).toEqual(
      Object.keys((parse(blocks('yaml')[0] ?? '') as { runners: object }).runners),
    )
  })

  it('shows the command line of every preset', () => {
    const shown = [...page.matchAll(/^\| `(\w+)` +\| `\1 /gm)].map(([, name]) => name)
    expect(shown).toEqual(['claude', 'codex', 'gemini', 'opencode', 'hermes'])
  })
})
