import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { formatCompletion } from '../../src/core/format.js'
import type { JsonObject } from '../../src/core/json.js'

interface Vector {
  readonly event: JsonObject
  readonly text: string
}

const vectors = JSON.parse(readFileSync(new URL('format.json', import.meta.url), 'utf8')) as Vector[]

describe('the original printed', () => {
  it('40 vectors, each of which is run', () => expect(vectors).toHaveLength(40))

  it.each(vectors.map(({ event, text }) => [text.slice(0, text.indexOf('\n')), event, text] as const))(
    '%s, and so do we, line by line',
    (_id, event, text) => {
      const lines = formatCompletion(event).split('\n')
      expect(lines[1]).toMatch(/^\S.+\.$/)
      expect(lines.with(1, '<intro>')).toEqual(text.split('\n'))
    },
  )
})
