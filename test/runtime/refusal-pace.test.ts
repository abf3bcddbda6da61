import { expect, it } from 'vitest'
import { createProcessHold } from '../../src/runtime/process-hold.js'
import { createRefusalPace } from '../../src/runtime/refusal-pace.js'
import { createManualClock } from '../support/manual-clock.js'
import { idOf, open, polite } from './support.js'

it('P8: a caller that tries again at once, in several places, leaves the loop its turns', async () => {
  const delegator = await open({ maxUnits: 1 })
  idOf(await delegator.dispatch({ goal: 'the one that fits', runner: polite }))
  let turns = 0
  const timer = setInterval(() => (turns += 1), 1)
  const insist = async (): Promise<number> => {
    let refusals = 0
    for (; turns < 20; refusals += 1) {
      const { status } = await delegator.dispatch({ goal: 'another', runner: polite })
      expect(status).toBe('rejected')
    }
    return refusals
  }
  const refusals = await Promise.all([insist(), insist(), insist()])
  clearInterval(timer)
  for (const count of refusals) expect(count).toBeGreaterThan(0)
})

it('P1: only a storm is slowed down, and only one refusal of it at a time', async () => {
  const clock = createManualClock()
  const pace = createRefusalPace(clock, createProcessHold())
  const told = (afterMs: number): 'at once' | Promise<void> => {
    clock.advance(afterMs)
    return pace() ?? 'at once'
  }
  for (let calm = 0; calm < 100; calm += 1) expect(told(1.1)).toBe('at once')
  for (let dense = 0; dense < 2; dense += 1) expect(told(0.5)).toBe('at once')
  const rested = told(0.5)
  expect(rested).toBeInstanceOf(Promise)
  for (let others = 0; others < 2; others += 1) expect(told(0.5)).toBe('at once')
  clock.advance(1)
  await rested
  expect(clock.pending).toBe(0)
})
