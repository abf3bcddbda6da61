import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { columnsOf, cutTo, fitTo, onOneLine, withoutControls } from '../../src/cli/terminal-text.js'

describe('text from elsewhere', () => {
  it.each([
    ['\u001b[31mred\u001b[0m', 'red'],
    ['\u001b]0;title\u0007after', 'after'],
    ['one\r\ntwo\u0008', 'one two'],
    ['a\u202eb\u200bc\u2028d', 'abc d'],
    ['\ud800x', 'x'],
  ])('%j is shown as %j', (text, shown) => expect(onOneLine(text)).toBe(shown))

  it('a block keeps its lines and tabs, and nothing else that steers', () => {
    expect(withoutControls('a\n\tb\u001b[2J\u0007\r')).toBe('a\n\tb')
  })

  it('whatever it is, no control character is left', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !/\p{Cc}/u.test(onOneLine(text))))
  })
})

describe('columns', () => {
  it.each([
    ['plain', 5],
    ['日本', 4],
    ['e\u0301', 1],
    ['🚀', 2],
  ])('%s takes %d', (text, columns) => expect(columnsOf(text)).toBe(columns))

  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdef', 5, 'abcd…'],
    ['日本語', 4, '日…'],
    ['abc', 1, '…'],
    ['abc', 0, ''],
  ])('%s cut to %d is %s', (text, columns, cut) => expect(cutTo(text, columns)).toBe(cut))

  it('what was cut fits, and what was filled up fits exactly', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (given, columns) => {
        const text = onOneLine(given)
        expect(columnsOf(cutTo(text, columns))).toBeLessThanOrEqual(columns)
        expect(columnsOf(fitTo(text, columns))).toBe(columns)
      }),
    )
  })
})
