import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { knownRunners, runnerNamed } from '../../src/cli/runner-named.js'
import { configuredPlatform } from '../../src/config/configured-platform.js'
import { configuredServe } from '../../src/config/configured-serve.js'
import type { Config } from '../../src/config/load.js'
import { memoryLedger, shellRunner, type RunnerReference } from '../../src/index.js'

const before = process.cwd()
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hermes-runner-'))
  process.chdir(folder)
  folder = process.cwd()
  writeFileSync('mine.js', '')
})
afterEach(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

function config(runners: Record<string, RunnerReference> = {}, runner: string | null = null): Config {
  return {
    path: null,
    options: {},
    ledger: { kind: 'memory', path: null, retentionSeconds: 1, open: memoryLedger },
    leaseSeconds: 300,
    ownsTranscripts: true,
    runners,
    serve: configuredServe({}),
    platform: configuredPlatform({}, { folder: '/', stateFolder: '/' }),
    runner,
    log: { level: 'silent', path: null },
    auditPath: '/nowhere/audit.log',
    warnings: [],
  }
}

describe('-r', () => {
  it('is the name of a built-in or a configured runner', () => {
    const review = { url: 'file:///review.js' }
    expect(runnerNamed('shell', config())).toEqual(shellRunner())
    expect(runnerNamed('review', config({ review }))).toBe(review)
  })

  it('a configured runner takes the place of a built-in one of its name', () => {
    const shell = { url: 'file:///my-shell.js' }
    expect(runnerNamed('shell', config({ shell }))).toBe(shell)
    expect(knownRunners(config({ shell }))).toHaveLength(2)
  })

  it('without it, the configured default runs; without that, the names are listed', () => {
    expect(runnerNamed(undefined, config({}, 'shell'))).toEqual(shellRunner())
    expect(() => runnerNamed(undefined, config({ review: { url: 'x' } }))).toThrow(
      /-r takes shell, agent, review, or the path/,
    )
  })

  it('else the path of a module, from the working folder', () => {
    const { href } = pathToFileURL(join(folder, 'mine.js'))
    expect(runnerNamed('./mine.js', config()).url).toBe(href)
    expect(runnerNamed('mine.js', config()).url).toBe(href)
    expect(runnerNamed(join(folder, 'mine.js'), config()).url).toBe(href)
    expect(runnerNamed(href, config()).url).toBe(href)
  })

  it('or a package that is installed here', () => {
    mkdirSync('node_modules/@team/worker', { recursive: true })
    writeFileSync('node_modules/@team/worker/package.json', '{"name":"@team/worker","main":"main.js"}')
    writeFileSync('node_modules/@team/worker/main.js', '')
    const { href } = pathToFileURL(join(folder, 'node_modules/@team/worker/main.js'))
    expect(runnerNamed('@team/worker', config()).url).toBe(href)
  })

  it('or one that can only be imported', () => {
    const home = join(folder, 'node_modules/modern')
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'package.json'), '{"exports":{"import":"./main.js"}}')
    writeFileSync(join(home, 'main.js'), '')
    expect(runnerNamed('modern', config()).url).toBe(pathToFileURL(join(home, 'main.js')).href)
  })

  it.each(['shel', './missing.js', 'file:///missing.js', 'no-such-package', 'https://host/x.js', ''])(
    '%j is none of them, and the error lists what there is',
    (given) =>
      expect(() => runnerNamed(given, config())).toThrow(
        /there is no runner ".*"; .*-r takes shell, agent, or the path/,
      ),
  )

  it.each(['file://host/x.js', 'file:///a%2Fb.js', 'file:///%zz.js', 'file://'])(
    '%j, which can be no file here, is a mistake of the call',
    (given) =>
      expect(() => runnerNamed(given, config())).toThrow(expect.objectContaining({ name: 'UsageError' })),
  )

  it('a slip of the finger is named', () => {
    expect(() => runnerNamed('shel', config())).toThrow('did you mean `shell`?')
  })
})
