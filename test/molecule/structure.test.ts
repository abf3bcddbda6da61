/** What the parts of the dialect may know of each other. */
import { describe, expect, it } from 'vitest'
import { filesBelow, importsOf } from '../support/sources.js'

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
    const jobs = ['send-job', 'follow-job', 'peer-reply', 'platform', 'http-call', 'connect']
    for (const name of jobs)
      for (const { specifier, isType } of importsOf(`src/molecule/${name}.ts`))
        if (!isType) expect(specifier).not.toMatch(/records|mirrors|audit|delegations|src\/index|src\/runner/)
  })
})
