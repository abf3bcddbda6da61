import { describe, expect, it } from 'vitest'
import { toPlain } from '../../src/pool/plain-data.js'

describe('plain data', () => {
  it.each([50_000_000, 4_000_000_000])('P7: %d empty places are too much, and are not walked', (length) => {
    const list: unknown[] = []
    list.length = length
    const copying = () => toPlain({ list }, 'result', 1_000_000)
    expect(copying).toThrow('result.list makes the result larger than 1000000 characters')
  })

  it('P7: a hole travels as null, like an item that is undefined', () => {
    const list = Object.assign(new Array<unknown>(4), { 0: 1, 2: 3, 3: undefined })
    expect(toPlain(list, 'result', 100)).toStrictEqual([1, null, 3, null])
  })

  it('P7: what just fits is copied', () => {
    expect(toPlain({ text: 'x'.repeat(93) }, 'result', 100)).toEqual({ text: 'x'.repeat(93) })
    expect(() => toPlain({ text: 'x'.repeat(94) }, 'result', 100)).toThrow('result.text makes the result')
  })
})
