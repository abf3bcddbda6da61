import { stat } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { createProcessHold } from '../../src/runtime/process-hold.js'
import { createRefusalPace } from '../../src/runtime/refusal-pace.js'
import { createManualClock } from '../support/manual-clock.js'
import { idOf, open, polite } from './support.js'

it.each([1, 300])(
  'P8: %i callers that try again at once leave the loop its turns, for I/O too',
  async (callers) => {
    const delegator = await open({ maxUnits: 1 })
    idOf(await delegator.dispatch({ goal: 'the one that fits', runner: polite }))
    const turns = { timers: 0, files: 0 }
    const timer = setInterval(() => (turns.timers += 1), 1)
    const isEnough = (): boolean => turns.timers >= 20 && turns.files >= 20
    const readOn = async (): Promise<void> => {
      for (; !isEnough(); turns.files += 1) await stat('.')
    }
    const insist = async (): Promise<void> => {
      while (!isEnough()) {
        const { status } = await delegator.dispatch({ goal: 'another', runner: polite })
        if (status !== 'rejected') throw new Error(status)
      }
    }
    await Promise.all([readOn(), ...Array.from({ length: callers }, insist)])
    clearInterval(timer)
    expect(isEnough()).toBe(true)
  },
)

it('P1: only a storm is slowed down, and all who are refused meanwhile share one rest', async () => {
  const clock = createManualClock()
  const pace = createRefusalPace(clock, createProcessHold())
  const told = (afterMs: number): Promise<void> | null => {
    clock.advance(afterMs)
    return pace()
  }
  for (let calm = 0; calm < 100; calm += 1) expect(told(1.1)).toBeNull()
  for (let dense = 0; dense < 2; dense += 1) expect(told(0.5)).toBeNull()
  const rest = told(0.5)
  expect(rest).toBeInstanceOf(Promise)
  expect(clock.pending).toBe(1)
  const shared = told(0.5)
  clock.advance(1)
  await Promise.all([rest, shared])
  expect(clock.pending).toBe(0)
  expect(told(0)).toBeNull()
})
