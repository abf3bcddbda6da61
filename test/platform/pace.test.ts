import { expect, it } from 'vitest'
import { createPace } from '../../src/platform/pace.js'

it('a timer that comes a fraction too early opens the door all the same: there is no second one', () => {
  let early = (): void => undefined
  let rooms = 0
  const clock = {
    now: () => 0,
    monotonicMs: () => 0,
    after: (_ms: number, fn: () => void) => {
      early = fn
      return () => undefined
    },
  }
  const pace = createPace(clock, () => (rooms += 1))
  pace.refused(1000)
  expect(pace.hasRoom(1)).toBe(false)
  early()
  expect(rooms).toBe(1)
  expect(pace.hasRoom(1)).toBe(true)
})
