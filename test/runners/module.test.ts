import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { moduleRunner, type RunnerReference } from '../../src/index.js'
import { fixtureUrl, idOf, open, temporaryFolder } from '../runtime/support.js'

const summaryOf = async (runner: RunnerReference): Promise<unknown> => {
  const delegator = await open()
  const event = await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner })))
  return event.error ?? ('summary' in event && event.summary)
}

const url = fixtureUrl('runners.js')
const path = fileURLToPath(url)

describe('moduleRunner', () => {
  const forms: [string, string | URL][] = [
    ['a URL', url],
    ['a file URL as text', url.href],
    ['an absolute path', path],
    ['a path from the working folder', `./${relative(process.cwd(), path)}`],
    ['a path without a dot', relative(process.cwd(), path)],
  ]

  it.each(forms)('R11: takes %s', async (_what, module) => {
    expect(moduleRunner(module)).toEqual({ url: url.href })
    expect(await summaryOf(moduleRunner(module))).toBe('did a')
  })

  it('R11: a bare file name is that file if it is there, and a package otherwise', async () => {
    const folder = temporaryFolder()
    const before = process.cwd()
    mkdirSync(join(folder, 'node_modules/called-so'), { recursive: true })
    writeFileSync(join(folder, 'node_modules/called-so/package.json'), '{ "main": "./main.cjs" }')
    writeFileSync(join(folder, 'node_modules/called-so/main.cjs'), '')
    mkdirSync(join(folder, 'called-so'))
    writeFileSync(join(folder, 'mine.mjs'), 'export default () => ({ summary: "mine" })')
    process.chdir(folder)
    try {
      expect(await summaryOf(moduleRunner('mine.mjs'))).toBe('mine')
      expect(moduleRunner('called-so').url).toMatch(/node_modules\/called-so\/main\.cjs$/)
      expect(await summaryOf(moduleRunner('absent.mjs'))).toContain('there is no runner module at absent.mjs')
    } finally {
      process.chdir(before)
    }
  })

  it('R11: takes a data URL', async () => {
    const text = 'export const it = (task) => ({ summary: `data ${task.goal}` })'
    const module = `data:text/javascript,${encodeURIComponent(text)}`
    expect(await summaryOf(moduleRunner(module, { export: 'it' }))).toBe('data a')
  })

  it('R11: a path with spaces, hashes and percent signs is a path', async () => {
    const file = join(temporaryFolder(), 'a #1 100%.mjs')
    writeFileSync(file, 'export default () => ({ summary: "odd name" })')
    expect(await summaryOf(moduleRunner(file))).toBe('odd name')
  })

  it('R11: takes the name of an installed package, found from the working folder', async () => {
    const folder = temporaryFolder()
    const before = process.cwd()
    for (const [name, main] of [
      ['with-main', { main: 'index.js' }],
      ['with-import', { exports: { import: './index.js' } }],
      ['with-exports', { exports: { '.': { types: './index.d.ts', default: './index.js' } } }],
    ] as const) {
      const home = join(folder, 'node_modules', name)
      mkdirSync(home, { recursive: true })
      writeFileSync(join(home, 'package.json'), JSON.stringify({ name, type: 'module', ...main }))
      writeFileSync(join(home, 'index.js'), `export const it = () => ({ summary: '${name}' })`)
    }
    process.chdir(folder)
    try {
      for (const name of ['with-main', 'with-import', 'with-exports'])
        expect(await summaryOf(moduleRunner(name, { export: 'it' }))).toBe(name)
    } finally {
      process.chdir(before)
    }
  })

  it('R1: it is plain data, and nothing is loaded by making it', () => {
    const reference = moduleRunner('./nowhere/at-all.js', {
      export: 'it',
      options: { deep: [1] },
      placement: 'shared',
    })
    expect(JSON.parse(JSON.stringify(reference))).toEqual({
      url: pathToFileURL(`${process.cwd()}/nowhere/at-all.js`).href,
      export: 'it',
      options: { deep: [1] },
      placement: 'shared',
    })
  })

  it('R1: an absolute path is one, whether something is there or not', () => {
    expect(moduleRunner('/nowhere/at-all.js')).toEqual({ url: 'file:///nowhere/at-all.js' })
  })

  it('R11: options reach the runner as they were given', async () => {
    const delegator = await open()
    const options = { list: [1, null, 'x'], deep: { yes: true } }
    const batch = await delegator.dispatchBatch({
      goals: ['a'],
      runner: moduleRunner(url, { export: 'echo', options }),
    })
    expect(await delegator.wait(idOf(batch))).toMatchObject({ results: [{ given: options }] })
  })
})
