/** What the parts of the dialect may know of each other. */
import { describe, expect, it } from 'vitest'
import { filesBelow, importsOf, read } from '../support/sources.js'

const files = filesBelow('src/molecule', '.ts')

describe('structure', () => {
  it('there is no import circle', () => {
    const done = new Set<string>()
    const visit = (path: string, above: readonly string[]): void => {
      expect(above, [...above, path].join(' -> ')).not.toContain(path)
      if (done.has(path)) return
      for (const { specifier, isType } of importsOf(path))
        if (!isType && specifier.startsWith('src/molecule/')) visit(specifier, [...above, path])
      done.add(path)
    }
    for (const path of files) visit(path, [])
    expect(done.size).toBe(files.length)
  })

  it('a job knows no store, no mirrors, no audit and no thread: the host and the worker run the same', () => {
    const jobs = ['send-job', 'follow-job', 'peer-reply', 'platform-api', 'http-call', 'connect']
    for (const name of jobs)
      for (const { specifier, isType } of importsOf(`src/molecule/${name}.ts`))
        if (!isType) expect(specifier).not.toMatch(/records|mirrors|audit|delegations|src\/index/)
  })
})

describe('what is proved', () => {
  /** Titles of tests: the texts that a call begins with. */
  const titlesBelow = (folder: string): string[] =>
    filesBelow(folder, '.test.ts').flatMap((path) =>
      [...read(path).matchAll(/\(\s*(['"`])((?:(?!\1).)+)\1,/g)].map(([, , title]) => title ?? ''),
    )

  it('each defect of the original, B1 to B29, has a test of its number', () => {
    const titles = ['test/a2a', 'test/molecule', 'test/platform'].flatMap(titlesBelow)
    const proved = new Set(
      titles.flatMap((title) => /^(?:[BK]\d+(?:, )?)+(?=: )/.exec(title)?.[0].split(', ') ?? []),
    )
    const missing = Array.from({ length: 29 }, (_, n) => `B${n + 1}`).filter((name) => !proved.has(name))
    expect(missing).toEqual([])
  })

  it.each([
    'denial',
    'immediate return',
    'completion',
    'list',
    'not found',
    'discovery %i fails',
    'discovery without a URL',
    'discovery exception',
    'text from parts and artifacts',
    '202 and queued is queued: exactly one A2A POST, and no error',
    'a bare 202 is not queued and ends failed',
    'RPC error',
    'network error',
    'record mirror',
    'update mirror',
    'mirrors that fail',
    'the 500-character preview',
    'there is no import circle',
    'tool names are aligned',
    'the poll budget is the delegation timeout',
  ])('what the original proves of delegation has a test of its name: %s', (name) => {
    const titles = titlesBelow('test/molecule').map((title) => title.replace(/^[BK\d, ]+: /, ''))
    expect(titles.filter((title) => title.includes(name))).not.toEqual([])
  })
})
