import { describe, expect, it } from 'vitest'
import { defaultSummaryBudget, headAndTail, shareOfBudget } from '../../src/core/summary-budget.js'

describe('the share of a child', () => {
  it.each([
    [8_000, 48_000, 1, 8_000],
    [8_000, 48_000, 6, 8_000],
    [8_000, 48_000, 12, 4_000],
    [8_000, 0, 1_000, 8_000],
    [0, 48_000, 4, 12_000],
    [0, 0, 4, 0],
    [8_000, 48_000, 120, 400],
    [8_000, 48_000, 10_000, 400],
    [8_000, 3, 100, 400],
    [100, 48_000, 10_000, 100],
    [0, 3, 1, 400],
    [8_000, 48_000, 0, 8_000],
  ])('of %i a child and %i a unit, with %i children: %i', (childCharacters, unitCharacters, count, share) => {
    expect(shareOfBudget({ childCharacters, unitCharacters }, count)).toBe(share)
  })

  it('is 8,000 characters a child and 48,000 a unit unless told otherwise', () => {
    expect(defaultSummaryBudget).toEqual({ childCharacters: 8_000, unitCharacters: 48_000 })
  })
})

describe('head and tail', () => {
  const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index}`).join('\n')

  it('a text within the bound is left alone', () => {
    expect(headAndTail('short', 5, '/f')).toBe('short')
  })

  it('are cut at the ends of lines, and say what is missing and where it is', () => {
    const cut = headAndTail(lines, 600, '/tmp/whole.txt')
    expect(cut).toMatch(/^line 0\nline 1\n/)
    expect(cut).toMatch(/\nline 999$/)
    const [, missing, total] =
      /\n\[(\d+) of (\d+) characters are left out here; the whole text: \/tmp\/whole\.txt\]\n/.exec(cut)!
    expect(Number(total)).toBe(lines.length)
    const kept = cut.split(/\n\[\d+ of.*\]\n/)
    expect(kept.join('').length).toBe(lines.length - Number(missing))
    expect(cut.length).toBeLessThanOrEqual(600)
    expect(cut.length).toBeGreaterThan(500)
    for (const line of kept.join('\n').split('\n')) expect(line).toMatch(/^line \d+$/)
  })

  it('one endless line is cut all the same, and no character in two', () => {
    for (let characters = 10; characters < 40; characters += 1) {
      const cut = headAndTail('🙂'.repeat(50), characters, '/f')
      expect(() => encodeURIComponent(cut), `${characters}: ${cut}`).not.toThrow()
    }
  })
})
