import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const minutes = (count: number): number => count * 60_000
let folder: string

const runnerModule = `import { defineRunner } from 'hermes-delegate/runner'
export default defineRunner(async (task, ctx) => ({ summary: \`embedded \${task.goal}\`, api_calls: 3 }))
`

const program =
  `import { createDelegator, formatCompletion, moduleRunner, shellRunner } from 'hermes-delegate'
await using delegator = await createDelegator()
const handle = await delegator.dispatch({ goal: 'hello', runner: moduleRunner('./my-runner.js') })
const event = await delegator.wait(handle.delegationId)
const shell = await delegator.dispatch({ goal: 'echo from a shell', runner: shellRunner() })
const printed = await delegator.wait(shell.delegationId)
console.log(JSON.stringify({ event, printed, text: formatCompletion(event) }))
`.replace('await using delegator', 'const delegator') // Node 20 cannot parse it

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-embed-'))
  // The build is there already; the hook that makes it would race with the other tests.
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root })
  const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'embedder', private: true, type: 'module' }),
  )
  writeFileSync(join(folder, 'my-runner.js'), runnerModule)
  writeFileSync(join(folder, 'program.js'), `${program}await delegator.close()\n`)
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`], {
    cwd: folder,
  })
}, minutes(5))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the package as its users install it', () => {
  it(
    'R3: a program and a runner of its own get their event',
    async () => {
      const { stdout, stderr } = await run(process.execPath, ['program.js'], { cwd: folder })
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toMatchObject({
        event: { type: 'async_delegation', status: 'completed', summary: 'embedded hello', api_calls: 3 },
        printed: { status: 'completed', summary: 'from a shell' },
        text: expect.stringContaining('embedded hello') as string,
      })
    },
    minutes(2),
  )

  it(
    'DESIGN 4: its types are found and hold',
    async () => {
      const source = `import { createDelegator, type Delegator } from 'hermes-delegate'
import { defineRunner } from 'hermes-delegate/runner'
export const delegator: Promise<Delegator> = createDelegator({ maxUnits: 1 })
export default defineRunner((task) => ({ summary: task.goal }))
`
      writeFileSync(join(folder, 'typed.ts'), source)
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck']
      const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
      await run(process.execPath, [tsc, ...options, ...types, 'typed.ts'], { cwd: folder })
    },
    minutes(2),
  )

  it(
    'DESIGN 5: the command is installed with it',
    async () => {
      const { stdout } = await run('npx', ['--no-install', 'hermes-delegate', '--version'], { cwd: folder })
      expect(stdout.trim()).toMatch(/^\d+\.\d+\.\d+/)
    },
    minutes(2),
  )
})
