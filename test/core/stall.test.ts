import { describe, expect, it } from 'vitest'
import { defaultStallThresholds, readProgress, stalledFor } from '../../src/core/stall.js'

const thresholds = defaultStallThresholds

describe('stall', () => {
  it('the thresholds are those of the original: 450 s idle, 1200 s in a tool, 120 s grace', () => {
    expect(thresholds).toEqual({ idleSeconds: 450, inToolSeconds: 1200, graceSeconds: 120 })
  })

  it('a changed token starts the clock again; an unchanged one does not', () => {
    const first = readProgress(null, { token: 'a', inTool: false }, 1_000)
    expect(first).toEqual({ token: 'a', inTool: false, sinceMs: 1_000 })
    const same = readProgress(first, { token: 'a', inTool: false }, 5_000)
    expect(same.sinceMs).toBe(1_000)
    expect(readProgress(same, { token: 'b', inTool: false }, 9_000).sinceMs).toBe(9_000)
  })

  it('being in a tool is no sign of life, but allows more time', () => {
    const idle = readProgress(null, { token: 'a', inTool: false }, 0)
    const inTool = readProgress(idle, { token: 'a', inTool: true }, 400_000)
    expect(inTool).toEqual({ token: 'a', inTool: true, sinceMs: 0 })
    expect(stalledFor(idle, thresholds, 450_000)).not.toBeNull()
    expect(stalledFor(inTool, thresholds, 450_000)).toBeNull()
    expect(readProgress(inTool, { token: 'a', inTool: false }, 500_000).sinceMs).toBe(0)
  })

  it.each([
    [false, 449_990, null],
    [false, 450_000, { quietSeconds: 450, thresholdSeconds: 450, phase: 'idle' }],
    [true, 1_199_990, null],
    [true, 1_200_000, { quietSeconds: 1200, thresholdSeconds: 1200, phase: 'in_tool' }],
    [false, 451_239, { quietSeconds: 451.24, thresholdSeconds: 450, phase: 'idle' }],
  ])('in a tool: %s, quiet for %i ms: %j', (inTool, quietMs, expected) => {
    const reading = readProgress(null, { token: 'a', inTool }, 10_000)
    expect(stalledFor(reading, thresholds, 10_000 + quietMs)).toEqual(expected)
  })
})
