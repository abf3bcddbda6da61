import { describe, expect, it } from 'vitest'
import { filesBelow, read } from '../support/sources.js'

/**
 * Every rule of the base contract (R1-R45) and every promise (P1-P11) is cited by the title of a test that proves it,
 * or stands in requirements.json: superseded, with a date and the reason, or later, with what it waits for.
 */
const ids = [
  ...Array.from({ length: 45 }, (_, index) => `R${index + 1}`),
  ...Array.from({ length: 11 }, (_, index) => `P${index + 1}`),
]

type Exclusion = { superseded: string; because: string } | { later: string }
const exclusions = JSON.parse(read('test/architecture/requirements.json')) as Record<string, Exclusion>

const titles = [...filesBelow('test', '.test.ts'), ...filesBelow('test/contract', '.ts')].flatMap((path) =>
  // A title is the first argument of a call, and begins with the ids of what it proves.
  [...read(path).matchAll(/\(\s*[`'"]([RP]\d{1,2}\b[^\n]*)/g)].map(([, title]) => title ?? ''),
)
const cited = new Set(titles.flatMap((title) => title.match(/\b[RP]\d{1,2}\b/g) ?? []))

describe('the requirements manifest', () => {
  it.each(ids)('%s is proved, superseded with a reason, or waits for something named', (id) => {
    const exclusion = exclusions[id]
    if (exclusion === undefined) expect([...cited], `no test title cites ${id}`).toContain(id)
    else if ('later' in exclusion) expect(exclusion.later).not.toBe('')
    else {
      expect(exclusion.superseded).toMatch(/^\d{4}-\d\d-\d\d$/)
      expect(exclusion.because).toMatch(/\w/)
    }
  })

  it('names no rule that does not exist', () => {
    for (const id of Object.keys(exclusions)) expect(ids).toContain(id)
  })

  it('a rule that waits for later work is not cited as proved', () => {
    for (const [id, exclusion] of Object.entries(exclusions))
      if ('later' in exclusion) expect(cited.has(id), id).toBe(false)
  })
})
