import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headOf, oneLine, plainText, tailOf } from '../../src/core/plain-text.js'
import { growth } from '../support/growth.js'

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        '\u001b',
        '[',
        ']',
        '0;31',
        'm',
        '\u0007',
        '\\',
        '\u009b',
        '\ud83d',
        '\ude00',
        '\r',
        '\n',
        'a',
      ),
    )
    .map((parts) => parts.join('')),
)

describe('plainText', () => {
  it.each([
    ['a colour', '\u001b[1;31mred\u001b[0m', 'red'],
    ['cursor movement', 'a\u001b[2K\u001b[1Gb', 'ab'],
    ['an eight-bit CSI', 'a\u009b31mb', 'ab'],
    ['a window title', '\u001b]0;owned\u0007text', 'text'],
    ['a hyperlink', '\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['a device string', 'a\u001bPq#0;2\u001b\\b', 'ab'],
    ['a character set', 'a\u001b(Bb\u001b7c', 'abc'],
    ['a bell, a backspace, a null', 'a\u0007b\bc\u0000d', 'abcd'],
    ['a direction override', 'a\u202eb\u2066c\u2069', 'abc'],
    ['invisible characters', 'a\u200bb\u200dc\ufeffd\u2060', 'abcd'],
    ['tag characters', 'a\u{e0041}\u{e0042}b', 'ab'],
  ])('drops %s', (_what, text, plain) => expect(plainText(text)).toBe(plain))

  it('keeps newlines, tabs, umlauts, emoji and the joined scripts', () => {
    const text = 'a\tb\nÄ 漢字 😀 مرحبا'
    expect(plainText(text)).toBe(text)
  })

  it('makes one newline of every line end', () => {
    expect(plainText('a\r\nb\rc\u2028d\u2029e')).toBe('a\nb\nc\nd\ne')
  })

  it('keeps the text after a string that is never closed', () => {
    expect(plainText('\u001b]0;title\nnext line')).toBe('0;title\nnext line')
  })

  it('leaves nothing a terminal would act on, and nothing to do for a second pass', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const plain = plainText(text)
        expect(plain).not.toMatch(
          /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200b-\u200f]/,
        )
        expect(Buffer.from(plain).toString()).toBe(plain)
        expect(plainText(plain)).toBe(plain)
      }),
    )
  })

  it.each(['\u001b]', '\u0090', '\u001b[0', '\u001b[ ', '\u009b0', '\u001b ', '\r'])(
    'takes time in proportion to a text made of %j',
    (piece) => expect(growth(plainText, piece)).toBeLessThan(24),
  )
})

describe('oneLine', () => {
  it('joins the lines that hold something', () => {
    expect(oneLine('  a \n\n\t b\r\n')).toBe('a b')
    expect(oneLine('a\nb', ' ⏎ ')).toBe('a ⏎ b')
    expect(oneLine(' \n ')).toBe('')
  })

  it('takes time in proportion to a text made of spaces', () => {
    expect(growth(oneLine, ' ')).toBeLessThan(24)
  })
})

describe('a cut', () => {
  it('falls on a line border when one is near', () => {
    expect(headOf('one\ntwo\nthree', 9)).toBe('one\ntwo')
    expect(headOf('one\ntwo\nthree', 7)).toBe('one\ntwo')
    expect(tailOf('one\ntwo\nthree', 9)).toBe('two\nthree')
    expect(tailOf('one\ntwo\nthree', 7)).toBe('three')
  })

  it('goes through a long line, but never through a character', () => {
    expect(headOf('x\naaaaaaaaaa', 8)).toBe('x\naaaaaa')
    expect(headOf('aaa😀', 4)).toBe('aaa')
    expect(tailOf('😀aaa', 4)).toBe('aaa')
  })

  it('keeps what fits, and never more than the limit', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '\n', '😀') }), fc.nat(20), (text, limit) => {
        for (const cut of [headOf(text, limit), tailOf(text, limit)]) {
          expect(cut.length).toBeLessThanOrEqual(Math.max(limit, 0))
          if (text.length <= limit) expect(cut).toBe(text)
        }
        expect(text.startsWith(headOf(text, limit))).toBe(true)
        expect(text.endsWith(tailOf(text, limit))).toBe(true)
      }),
    )
  })
})
