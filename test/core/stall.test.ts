import { describe, expect, it } from 'vitest'
import { defaultStallThresholds, stalledFor, stallStop } from '../../src/core/stall.js'

const thresholds = defaultStallThresholds

describe('stall', () => {
  it('the thresholds are those of the original: 450 s idle, 1200 s in a tool, 120 s grace', () => {
    expect(thresholds).toEqual({ idleSeconds: 450, inToolSeconds: 1200, graceSeconds: 120 })
  })

  it.each([
    [false, 449_990, null],
    [false, 450_000, { quietSeconds: 450, thresholdSeconds: 450, phase: 'idle' }],
    [true, 1_199_990, null],
    [true, 1_200_000, { quietSeconds: 1200, thresholdSeconds: 1200, phase: 'in_tool' }],
    [false, 451_239, { quietSeconds: 451.24, thresholdSeconds: 450, phase: 'idle' }],
  ])('in a tool: %s, quiet for %i ms: %j', (inTool, quietMs, expected) => {
    expect(stalledFor(quietMs, inTool, thresholds)).toEqual(expected)
  })

  it('the reason names the task on one line, says how long it was quiet, and what to do', () => {
    const stall = { quietSeconds: 481.5, thresholdSeconds: 450, phase: 'idle' } as const
    const { reason, fields } = stallStop('read\n the  files', stall, 120, false)
    expect(reason).toBe(
      '"read the files" stalled: it stopped responding after 8 min of no progress and was cancelled. ' +
        'Nothing else was affected; ask again if it is still wanted.',
    )
    expect(fields).toEqual({
      stalled_after_quiet_seconds: 481.5,
      stall_threshold_seconds: 450,
      stall_phase: 'idle',
      stall_grace_seconds: 120,
      stall_loop_blocked: false,
    })
    expect(stallStop('x'.repeat(500), { ...stall, quietSeconds: 30 }, 1, true).reason).toMatch(
      /^"x{120}" stalled: it stopped responding \(its event loop is blocked\) and was cancelled/,
    )
  })
})
