import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { read, root } from '../support/sources.js'
import { bin } from './cli-process.js'

const run = promisify(execFile)
const path = (name: string): string => join(folder, name)
const folder = mkdtempSync(join(tmpdir(), 'readme-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Code blocks of the README that name their file in their first line. */
function writeExamples(): string[] {
  const blocks = [...read('README.md').matchAll(/```js\n\/\/ (\S+\.js)\n([\s\S]*?)```/g)]
  for (const [, name, code] of blocks) writeFileSync(join(folder, name ?? ''), code ?? '')
  return blocks.map(([, name]) => name ?? '')
}

describe('README', () => {
  it('its first program runs as it stands, and prints what its runner found', async () => {
    expect(writeExamples()).toEqual(['agent.js', 'count-words.js'])
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules', 'hermes-delegate'), 'dir')
    for (const name of ['README.md', 'CHANGELOG.md']) copyFileSync(join(root, name), join(folder, name))
    const { stdout } = await run(process.execPath, ['agent.js'], { cwd: folder })
    for (const name of ['README.md', 'CHANGELOG.md']) {
      const words = read(name).trim().split(/\s+/)
      expect(stdout).toContain(`${name} has ${words.length} words`)
    }
  })

  it('its shell script leaves work behind, and drains what came of it', async () => {
    const [, script = ''] = /```sh\n# background\.sh\n([\s\S]*?)```/.exec(read('README.md')) ?? []
    mkdirSync(path('bin'))
    symlinkSync(bin, path('bin/hermes-delegate'))
    const env = { ...process.env, PATH: `${path('bin')}:${process.env['PATH']}`, XDG_STATE_HOME: folder }
    const { stdout } = await run('bash', ['-euc', script], { cwd: folder, env })
    expect(stdout).toMatch(/^ID +STATUS .*\ndeleg_\S+ +running .* chat /)
    // Once from `wait`, which delivers nothing, and once from `drain`.
    expect(stdout.match(/✓ TASK 2\/2: echo two/g)).toHaveLength(2)
  })

  it('names files that exist, and that are in the package', () => {
    const { files } = JSON.parse(read('package.json')) as { files: readonly string[] }
    for (const [, path = ''] of read('README.md').matchAll(/\]\(([^)#:]+)\)/g)) {
      expect(() => read(path)).not.toThrow()
      expect(files).toContain(path.split('/')[0])
    }
  })
})
