import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { read, root } from '../support/sources.js'

const run = promisify(execFile)
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
    expect(stdout).toMatch(/README\.md has \d+ words/)
    expect(stdout).toMatch(/CHANGELOG\.md has \d+ words/)
  })

  it('names files that exist', () => {
    for (const [, path] of read('README.md').matchAll(/\]\(([^)#:]+)\)/g))
      expect(() => read(path ?? '')).not.toThrow()
  })
})
