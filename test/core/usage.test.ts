import { describe, expect, it } from 'vitest'
import { microsOf, sumOfUsages, tokensOf, usageOf, withUsage } from '../../src/core/usage.js'

describe('usage', () => {
  it.each([
    [
      { input_tokens: 1, output_tokens: 2, cost_usd: 0.5 },
      { input_tokens: 1, output_tokens: 2, cost_usd: 0.5 },
    ],
    [{ input_tokens: 0, more: 'of it' }, { input_tokens: 0 }],
    [{ input_tokens: -1, output_tokens: 2 }, { output_tokens: 2 }],
    [{ input_tokens: Number.NaN, cost_usd: Infinity }, null],
    [{ input_tokens: '100' }, null],
    [{ input_tokens: 1e13, cost_usd: 1e7 }, null],
    [{}, null],
    [null, null],
    [undefined, null],
    ['100 tokens', null],
    [[1, 2], null],
  ])('of %j is %j', (reported, usage) => {
    expect(usageOf(reported)).toEqual(usage)
  })

  it('is added up by field, money without the errors of floats, and what nobody reported is absent', () => {
    expect(sumOfUsages([])).toBeNull()
    expect(sumOfUsages([null, null])).toBeNull()
    expect(sumOfUsages([{ cost_usd: 0.1 }, null, { cost_usd: 0.2, input_tokens: 3 }])).toEqual({
      cost_usd: 0.3,
      input_tokens: 3,
    })
    expect(tokensOf({ input_tokens: 3, output_tokens: 4 })).toBe(7)
    expect(tokensOf(null)).toBe(0)
    expect(microsOf({ cost_usd: 0.0000014 })).toBe(1)
  })

  it('that was returned stands; else what was last reported, with whatever else is in it', () => {
    const returned = { usage: { input_tokens: 1 } }
    const progress = { usage: { input_tokens: 9, cached: 4 } }
    expect(withUsage(returned, progress)).toBe(returned)
    expect(withUsage({ summary: 'x' }, progress)).toEqual({
      summary: 'x',
      usage: { input_tokens: 9, cached: 4 },
    })
    expect(withUsage({ usage: null }, progress)).toEqual(progress)
    const none = { summary: 'x' }
    expect(withUsage(none, { usage: 'lots' })).toBe(none)
    expect(withUsage(none, null)).toBe(none)
  })
})
