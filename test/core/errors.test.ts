import { describe, expect, it } from 'vitest'
import {
  assert,
  assertNever,
  DelegationError,
  errorCodes,
  InvariantError,
  type ErrorCode,
} from '../../src/core/errors.js'

describe('DelegationError', () => {
  it('carries a code to test, the detail, the cause, and a message that names what, which and how much', () => {
    const cause = new Error('the reason')
    const error = new DelegationError('GOAL_TOO_LONG', { characters: 70_000, at_most: 65_536 }, cause)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'DelegationError', code: 'GOAL_TOO_LONG', cause })
    expect(error.detail).toEqual({ characters: 70_000, at_most: 65_536 })
    expect(error.message).toMatch(/\(characters: 70000, at_most: 65536\)$/)
  })

  it('lists problems below the sentence, a line each', () => {
    const error = new DelegationError('CONFIG_INVALID', { file: 'a.yaml', problems: ['one', 'two'] })
    expect(error.message).toBe('the configuration is not valid (file: a.yaml):\n  one\n  two')
  })

  it('has no cause when none is given', () => {
    expect('cause' in new DelegationError('CLOSED')).toBe(false)
  })

  it('every code of the catalogue has a sentence of its own, without a full stop', () => {
    const sentences = errorCodes.map((code) => new DelegationError(code as ErrorCode).message)
    expect(new Set(sentences).size).toBe(errorCodes.length)
    for (const sentence of sentences) expect(sentence).toMatch(/^[a-z].{10,}[^.]$/)
    for (const code of errorCodes) expect(code).toMatch(/^[A-Z][A-Z_]+$/)
  })
})

describe('assert', () => {
  it('lets a claim pass that holds, and names one that does not', () => {
    expect(() => assert(true, 'water is wet')).not.toThrow()
    expect(() => assert(false, 'unit u1 holds slot s1')).toThrow(InvariantError)
    expect(() => assert(false, 'unit u1 holds slot s1')).toThrow('unit u1 holds slot s1')
  })

  it('assertNever names the case', () => {
    expect(() => assertNever({ type: 'new' } as never)).toThrow('unexpected case: {"type":"new"}')
  })
})
