import { describe, expect, it } from 'vitest'
import type { Budget, BudgetUse } from '../../src/core/budget.js'
import { noBudget } from '../../src/core/budget.js'
import { UnitMeter } from '../../src/runtime/unit-meter.js'

function meterOf(budget: Partial<Budget> = {}, parent: UnitMeter | null = null) {
  const near: BudgetUse[] = []
  const exceeded: BudgetUse[] = []
  const meter = new UnitMeter({ ...noBudget, ...budget }, parent, {
    onNear: (use) => near.push(use),
    onExceeded: (use) => exceeded.push(use),
  })
  return { meter, near, exceeded }
}

describe('the meter of a unit', () => {
  it('adds up what its children last reported, and tells nothing of what nobody did', () => {
    const { meter } = meterOf()
    expect(meter.usage).toBeNull()
    meter.report(0, { input_tokens: 10 })
    meter.report(1, { input_tokens: 5, cost_usd: 0.1 })
    meter.report(0, { input_tokens: 30, output_tokens: 2 })
    meter.report(2, { cost_usd: 0.2 })
    expect(meter.usage).toEqual({ input_tokens: 35, output_tokens: 2, cost_usd: 0.3 })
    expect([meter.spent('tokens'), meter.spent('cost_usd')]).toEqual([37, 300_000])
  })

  it('tells of 80 %, and of the step past the whole, once each, by tokens and by money', () => {
    const { meter, near, exceeded } = meterOf({ tokens: 100, costMicros: 500_000 })
    for (const tokens of [79, 80, 81, 100]) meter.report(0, { input_tokens: tokens })
    expect(near).toEqual([{ counter: 'tokens', limit: 100, used: 80 }])
    expect(exceeded).toEqual([])
    for (const tokens of [101, 102]) meter.report(0, { input_tokens: tokens })
    expect(exceeded).toEqual([{ counter: 'tokens', limit: 100, used: 101 }])
    meter.report(1, { cost_usd: 0.6 })
    expect(near.slice(1)).toEqual([{ counter: 'cost_usd', limit: 0.5, used: 0.6 }])
    expect(exceeded.slice(1)).toEqual([{ counter: 'cost_usd', limit: 0.5, used: 0.6 }])
  })

  it('what a nested unit uses counts for all above it, and is not their own', () => {
    const root = meterOf({ tokens: 100 })
    const middle = meterOf({}, root.meter)
    const leaf = meterOf({}, middle.meter)
    root.meter.report(0, { input_tokens: 10 })
    leaf.meter.report(0, { input_tokens: 60, cost_usd: 1 })
    middle.meter.report(0, { input_tokens: 31 })
    expect(root.meter.usage).toEqual({ input_tokens: 101, cost_usd: 1 })
    expect(middle.meter.usage).toEqual({ input_tokens: 91, cost_usd: 1 })
    expect([root, middle, leaf].map(({ meter }) => meter.spent('tokens'))).toEqual([10, 31, 60])
    expect([root, middle, leaf].map(({ exceeded }) => exceeded.length)).toEqual([1, 0, 0])
  })

  it('a nested budget stops the nested unit alone, and takes what it reserves from its siblings until it ends', () => {
    const root = meterOf({ tokens: 100 })
    expect(root.meter.free('tokens')).toEqual({ limit: 100, left: 100 })
    expect(root.meter.free('cost_usd')).toBeNull()
    const nested = meterOf({ tokens: 40 }, root.meter)
    expect(root.meter.free('tokens')).toEqual({ limit: 100, left: 60 })
    nested.meter.report(0, { output_tokens: 30 })
    expect(root.meter.free('tokens')).toEqual({ limit: 100, left: 60 })
    nested.meter.report(0, { output_tokens: 50 })
    expect(nested.exceeded).toHaveLength(1)
    expect(root.exceeded).toEqual([])
    expect(root.meter.free('tokens')).toEqual({ limit: 100, left: 50 })
    const sibling = meterOf({ tokens: 50 }, root.meter)
    sibling.meter.report(0, { input_tokens: 1 })
    expect(root.meter.free('tokens')?.left).toBe(0)
    sibling.meter.leave()
    expect(root.meter.free('tokens')?.left).toBe(49)
  })

  it('what is free for a unit below is what the tightest budget above it leaves', () => {
    const root = meterOf({ tokens: 100 })
    const middle = meterOf({ tokens: 80 }, root.meter)
    expect(middle.meter.free('tokens')).toEqual({ limit: 80, left: 80 })
    const loose = meterOf({}, middle.meter)
    loose.meter.report(0, { input_tokens: 75 })
    expect(loose.meter.free('tokens')).toEqual({ limit: 80, left: 5 })
    root.meter.report(0, { input_tokens: 24 })
    expect(loose.meter.free('tokens')?.left).toBe(1)
  })
})
