import { describe, expect, it } from 'vitest'
import type { LeaseOffer, Runner } from '../../src/runner.js'
import { createManualClock } from '../support/manual-clock.js'
import { createLeases } from '../../src/runtime/leases.js'
import type { Child } from '../../src/runtime/child.js'
import type { Json } from '../../src/runner.js'
import { fixture, gate, idOf, open } from './support.js'

const names = ['a', 'b', 'c']
const namesOf = (offers: readonly LeaseOffer[]): string[] => offers.map(({ name }) => name)

/** A table with children of which only their life matters. */
function table() {
  const clock = createManualClock()
  const leases = createLeases(clock)
  const child = () => ({ isLive: true }) as unknown as Child & { isLive: boolean }
  function lease(of: Child, payload: Json): readonly LeaseOffer[] {
    let answered: Json = null
    const fail = (error: unknown): never => {
      throw error as Error
    }
    leases.hear(of, { kind: 'lease', payload, answer: (value) => (answered = value), fail })
    return answered as unknown as readonly LeaseOffer[]
  }
  return { clock, child, lease }
}

describe('leases', () => {
  it('offer first what fewest live children use', () => {
    const { child, lease } = table()
    const [first, second, third] = [child(), child(), child()]
    expect(namesOf(lease(first, { names }))).toEqual(['a', 'b', 'c'])
    expect(namesOf(lease(second, { names }))).toEqual(['b', 'c', 'a'])
    expect(namesOf(lease(third, { names, use: 'b' }))).toEqual(['c', 'a', 'b'])
    ;(first as { isLive: boolean }).isLive = false
    expect(namesOf(lease(child(), { names }))).toEqual(['a', 'c', 'b'])
  })

  it('a child holds one of the same names at a time, and one of others beside it', () => {
    const { child, lease } = table()
    const one = child()
    for (const use of names) lease(one, { names, use })
    lease(one, { names: ['x', 'y'] })
    expect(namesOf(lease(child(), { names }))).toEqual(['a', 'b', 'c'])
    expect(namesOf(lease(child(), { names: ['x', 'y'] }))).toEqual(['y', 'x'])
  })

  it('what rests comes last, for every child, until its time is over', () => {
    const { clock, child, lease } = table()
    lease(child(), { names, use: 'b', rest: { a: 60, c: 30 } })
    expect(lease(child(), { names })).toEqual([
      { name: 'b', ready_in_seconds: 0 },
      { name: 'c', ready_in_seconds: 30 },
      { name: 'a', ready_in_seconds: 60 },
    ])
    clock.advance(60_000)
    expect(namesOf(lease(child(), { names }))).toEqual(['a', 'c', 'b'])
  })

  const misfits: [what: string, payload: Json][] = [
    ['no names', {}],
    ['an empty list', { names: [] }],
    ['65 names', { names: Array.from({ length: 65 }, (_, n) => `n${n}`) }],
    ['a name that is a number', { names: [1] }],
    ['a name that is too long', { names: ['n'.repeat(201)] }],
    ['the use of another name', { names, use: 'z' }],
    ['a rest of another name', { names, rest: { z: 1 } }],
    ['a rest that is too long', { names, rest: { a: 3_601 } }],
    ['a rest that is no number', { names, rest: { a: 'long' } }],
    ['a rest that is a list', { names, rest: [] }],
  ]
  it.each(misfits)('%s is REQUEST_INVALID, and changes nothing', (_what, payload) => {
    const { child, lease } = table()
    expect(() => lease(child(), payload)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }))
    expect(namesOf(lease(child(), { names }))).toEqual(['a', 'b', 'c'])
  })

  it('children in threads and on the loop share them, and give them back with their end', async () => {
    const delegator = await open()
    const held = gate()
    const seen: string[] = []
    const holds: Runner = async (_task, ctx) => {
      seen.push(namesOf(await ctx.lease(names))[0] ?? '')
      await held.promise
    }
    const ids = [0, 1].map(async () => idOf(await delegator.dispatch({ goal: 'hold', runner: holds })))
    await expect.poll(() => seen).toEqual(['a', 'b'])
    const far = async () => {
      const id = idOf(
        await delegator.dispatch({ goal: 'x', runner: fixture('leases', { options: { names } }) }),
      )
      return ((await delegator.wait(id)) as { summary: string }).summary
    }
    expect(await far()).toBe('c a b')
    held.open()
    for (const id of await Promise.all(ids)) await delegator.wait(id)
    expect(await far()).toBe('a b c')
  })
})
