import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffSeconds, defaultBackoff } from '../../src/core/backoff.js'

describe('backoffSeconds', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 4],
    [9, 256],
    [10, 300],
    [1_000_000, 300],
  ])('attempt %i waits %i s, without jitter', (attempt, seconds) => {
    expect(backoffSeconds(attempt, defaultBackoff, () => 0.5)).toBe(seconds)
  })

  it('jitter is half of it either way, and never passes the bound', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, chance) => {
          const base = Math.min(2 ** Math.max(0, attempt - 1), 300)
          const seconds = backoffSeconds(attempt, defaultBackoff, () => chance)
          expect(seconds).toBeGreaterThanOrEqual(base * 0.5)
          expect(seconds).toBeLessThanOrEqual(Math.min(base * 1.5, 300))
        },
      ),
    )
  })
})
