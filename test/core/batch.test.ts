import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchLabel, joinStatus } from '../../src/core/batch.js'

describe('joinStatus', () => {
  it.each<[string[], 'completed' | 'error']>([
    [[], 'completed'],
    [['completed'], 'completed'],
    [['success'], 'completed'],
    [['error'], 'error'],
    [['interrupted', 'interrupted'], 'error'],
    [['error', 'completed'], 'completed'],
    [['failed', 'timeout', 'success'], 'completed'],
    [['failed', 'timeout', 'partial'], 'error'],
    [['COMPLETED'], 'error'],
    [[''], 'error'],
  ])('R35: %j joins to %s', (words, status) => {
    expect(joinStatus(words.map((word) => ({ status: word })))).toBe(status)
  })

  it('R35: an entry without a status has not succeeded', () => {
    expect(joinStatus([{}])).toBe('error')
    expect(joinStatus([{ status: null }])).toBe('error')
    expect(joinStatus([{}, { status: 'completed' }])).toBe('completed')
  })

  it('R35: `error` if and only if there are results and none is completed or success; order plays no part', () => {
    const status = fc.oneof(
      fc.constantFrom('completed', 'success', 'error', 'interrupted', 'failed'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(status), (words) => {
        const results = words.map((word) => ({ status: word }))
        const anySuccess = words.includes('completed') || words.includes('success')
        const expected = words.length > 0 && !anySuccess ? 'error' : 'completed'
        expect(joinStatus(results)).toBe(expected)
        expect(joinStatus([...results].reverse())).toBe(expected)
      }),
    )
  })
})

describe('batchLabel', () => {
  it.each([
    [[], '0 parallel subagents: '],
    [['only one, at whatever length it may have, and that is longer than 40'], undefined],
    [['a', 'b'], '2 parallel subagents: a; b'],
    [['x'.repeat(41), 'y'.repeat(40)], `2 parallel subagents: ${'x'.repeat(40)}; ${'y'.repeat(40)}`],
    [['a', '', 'c'], '3 parallel subagents: a; ; c'],
  ])('R33: of %j', (goals, label) => expect(batchLabel(goals)).toBe(label ?? goals[0]))

  it('R33: a goal is cut after 40 characters, never inside of one', () => {
    expect(batchLabel(['🙂'.repeat(50), 'b'])).toBe(`2 parallel subagents: ${'🙂'.repeat(40)}; b`)
  })
})
