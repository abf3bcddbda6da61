import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { transcriptLine } from '../../src/core/transcript-line.js'
import { growth } from '../support/growth.js'

const at = 1757439572.58
const random = 'aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2'
const secret = `ghp_${random}`
const shown = (role: string, text: string): string =>
  transcriptLine({ at, role, text }).split(' | ').slice(1).join(' | ')

describe('a line of a transcript', () => {
  it('is time, role and text', () => {
    expect(transcriptLine({ at, role: 'assistant', text: 'I read the file.' })).toBe(
      '17:39:32 assistant | I read the file.',
    )
    expect(transcriptLine({ at, role: 'log', text: 'x' }, { timeZone: 'Asia/Kolkata' })).toBe(
      '23:09:32 log | x',
    )
  })

  it('holds whatever was written in one line', () => {
    expect(shown('stdout', 'one\r\n\n  two\u001b[31m red\u001b[0m\u0007\n')).toBe('one ⏎ two red')
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        fc.double(),
        (role, text, time) => {
          const line = transcriptLine({ at: time, role, text })
          expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
          expect(line).toMatch(/^(?:\d\d|\?\?):(?:\d\d|\?\?):(?:\d\d|\?\?) [^|]* \| /)
        },
      ),
    )
  })

  it('cannot be made to begin another entry by its role', () => {
    expect(transcriptLine({ at, role: 'log | x\n17:39:32 final', text: 'end' })).toBe(
      '17:39:32 log  x 17:39:32 final | end',
    )
  })

  it.each([
    ['assistant', 600],
    ['thinking', 300],
    ['args', 220],
    ['result', 400],
    ['kickoff', 500],
    ['log', 400],
    ['stdout', 400],
    ['stderr', 400],
    ['final', 400],
  ])('of %s has at most %d characters', (role, limit) => {
    expect(shown(role, 'x'.repeat(limit))).toBe('x'.repeat(limit))
    expect(shown(role, 'x'.repeat(5_000))).toBe('x'.repeat(limit))
  })

  it('never holds a secret', () => {
    expect(shown('args', `{"token": "${secret}"}`)).toBe('{"token": "[REDACTED:github-token]"}')
    expect(shown('stdout', `password=aB3dE5fG7hJ9`)).toBe('password=[REDACTED:secret]')
  })

  it('never holds a part of a secret that its cut goes through', () => {
    for (const text of [
      secret,
      `password = ${random}`,
      `token: "${random}"`,
      `Authorization: Bearer ${random}`,
    ]) {
      for (let before = 100; before <= 220; before += 1) {
        const line = shown('args', `${'x'.repeat(before)} ${text} and so on, ${'y'.repeat(900)}`)
        expect(line, String(before)).not.toMatch(/B3dE|E5fG/)
        expect(line.length).toBeLessThanOrEqual(220 + 24)
      }
    }
  })

  it('costs no more for a huge text than for a long one', () => {
    expect(growth((text) => transcriptLine({ at, role: 'log', text }), '\n a')).toBeLessThan(24)
    const huge = 'x\u0000'.repeat(4_000_000)
    const start = performance.now()
    transcriptLine({ at, role: 'log', text: huge })
    expect(performance.now() - start).toBeLessThan(50)
  })
})
