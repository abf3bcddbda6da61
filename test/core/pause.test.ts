import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { pause } from '../../src/core/pause.js'
import { createManualClock } from '../support/manual-clock.js'

describe('pause', () => {
  it('is over after its time, not before, and lets go of the signal', async () => {
    const clock = createManualClock()
    const { signal } = new AbortController()
    let isOver = false
    const over = pause(100, clock, signal).then(() => (isOver = true))
    clock.advance(99)
    await Promise.resolve()
    expect(isOver).toBe(false)
    clock.advance(1)
    await over
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('is over when the signal aborts, and leaves no timer', async () => {
    const clock = createManualClock()
    const stop = new AbortController()
    const over = pause(100, clock, stop.signal)
    expect(clock.pending).toBe(1)
    stop.abort()
    await over
    expect(clock.pending).toBe(0)
    expect(getEventListeners(stop.signal, 'abort')).toEqual([])
  })

  it('sets no timer under a signal that has aborted', async () => {
    const clock = createManualClock()
    await pause(100, clock, AbortSignal.abort())
    expect(clock.pending).toBe(0)
  })
})
