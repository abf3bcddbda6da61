import pino from 'pino'
import { describe, expect, it } from 'vitest'
import { noBudget } from '../../src/core/budget.js'
import { createBudgetDesk } from '../../src/runtime/budget-desk.js'
import { createEventHub } from '../../src/runtime/events.js'
import { resolveOptions } from '../../src/runtime/options.js'
import { singleRequest } from '../../src/runtime/request.js'
import { UnitMeter } from '../../src/runtime/unit-meter.js'
import { draftOf } from '../contract/ledger.js'
import { quick } from './support.js'

const options = resolveOptions({
  maxSpawnsPerSession: 9,
  budgets: { tokensPerSession: 1_000, costUsdTotal: 3 },
})
const logger = pino({ level: 'silent' })

/** A desk that knows one unit, `root`, with a budget of so many tokens. */
function deskBelow(tokens: number) {
  const silent = { onNear: () => undefined, onExceeded: () => undefined }
  const meter = new UnitMeter({ ...noBudget, tokens }, null, silent)
  const units = new Map([['root', { costs: { meter } }]])
  const records = { holderOf: () => ({ delegation_id: '', goal: '', running_seconds: 0 }) }
  const hub = createEventHub(logger)
  return { meter, desk: createBudgetDesk({ options, isShared: true, units, records, hub, logger }) }
}

const call = (budget?: { readonly tokens: number }) => ({
  goal: 'a',
  runner: quick,
  sessionKey: 's',
  ...(budget !== undefined && { budget }),
})
const termsOf = (
  { desk }: ReturnType<typeof deskBelow>,
  parentId: string | null,
  budget?: { readonly tokens: number },
) => desk.terms(singleRequest(call(budget), options, ''), call(budget), draftOf('u1', 's', { parentId }))

describe('on what terms a unit is admitted', () => {
  it('the first of a tree reserves for all of it, and its children count for the session', () => {
    expect(termsOf(deskBelow(100), null)).toEqual({
      budget: { tokens: 333, costMicros: 1_000_000 },
      parentMeter: null,
      charges: [
        { counter: 'spawns:session:s', amount: 1, limit: 9, atSettle: 'keep' },
        { counter: 'tokens:session:s', amount: 333, limit: 1_000, atSettle: 'actual' },
        { counter: 'cost', amount: 1_000_000, limit: 3_000_000, atSettle: 'actual' },
      ],
    })
  })

  it('a nested one reserves nothing, and draws on the one above it; its children count all the same', () => {
    const below = deskBelow(100)
    expect(termsOf(below, 'root')).toEqual({
      budget: noBudget,
      parentMeter: below.meter,
      charges: [{ counter: 'spawns:session:s', amount: 1, limit: 9, atSettle: 'keep' }],
    })
  })

  it('a nested one with a budget of its own is refused where the one above it has less left', () => {
    const below = deskBelow(100)
    below.meter.report(0, { input_tokens: 70 })
    expect(termsOf(below, 'root', { tokens: 30 })).toMatchObject({ budget: { tokens: 30 } })
    expect(termsOf(below, 'root', { tokens: 31 })).toMatchObject({
      status: 'rejected',
      refusal: { code: 'BUDGET', scope: 'unit', counter: 'tokens', limit: 100, inUse: 70, wanted: 31 },
    })
  })
})
