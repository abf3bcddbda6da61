import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  initialUnitState,
  isActive,
  isLiveWord,
  isSuccess,
  transition,
  type UnitEvent,
  type UnitState,
} from '../../src/core/delegation.js'

const word = fc.constantFrom('completed', 'error', 'timeout', 'interrupted', 'stalled', 'unknown', 'partial')
const event: fc.Arbitrary<UnitEvent> = fc.oneof(
  fc.record({ type: fc.constant('stalled' as const), at: fc.nat() }),
  fc.record({
    type: fc.constant('interrupt' as const),
    at: fc.nat(),
    cause: fc.constantFrom('interrupted' as const, 'timeout' as const, 'stalled' as const),
    reason: fc.string(),
  }),
  fc.record({
    type: fc.constant('finish' as const),
    status: word,
    cause: fc.constantFrom('returned' as const, 'threw' as const, 'lost' as const, 'stalled' as const),
  }),
  fc.constant({ type: 'recorded' as const }),
)

function statesAlong(events: readonly UnitEvent[]): UnitState[] {
  const states = [initialUnitState]
  for (const next of events) states.push(transition(states.at(-1)!, next))
  return states
}

const order = ['running', 'stalling', 'interrupting', 'finalizing', 'ended']

describe('transition', () => {
  it('P4, D2: from `finalizing` on nothing changes status or cause, and from `ended` on nothing changes at all', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (events) => {
        const states = statesAlong(events)
        const first = states.findIndex((state) => state.phase === 'finalizing')
        if (first === -1) return
        const decided = states[first] as Extract<UnitState, { phase: 'finalizing' }>
        for (const state of states.slice(first)) {
          expect(state).toEqual({ phase: state.phase, status: decided.status, cause: decided.cause })
          expect(['finalizing', 'ended']).toContain(state.phase)
        }
        const ended = states.filter(({ phase }) => phase === 'ended')
        for (const state of ended) expect(state, 'the very same value').toBe(ended[0])
      }),
    )
  })

  it('D3: a unit never goes back, least of all to `running`', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (events) => {
        const phases = statesAlong(events).map(({ phase }) => order.indexOf(phase))
        expect(phases).toEqual([...phases].sort((a, b) => a - b))
      }),
    )
  })

  it('D1: is pure: it changes no state that it is given, and returns that very state when nothing happens', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 10 }), event, (events, next) => {
        const before = Object.freeze(statesAlong(events).at(-1)!)
        const copy = structuredClone(before)
        const after = transition(before, next)
        expect(before).toEqual(copy)
        expect(transition(before, next)).toEqual(after)
        if (after.phase === before.phase) expect(after).toBe(before)
      }),
    )
  })

  it('P4: the first cause of an interrupt stays', () => {
    const at = (cause: 'timeout' | 'interrupted', reason: string): UnitEvent => ({
      type: 'interrupt',
      at: 1,
      cause,
      reason,
    })
    const once = transition(initialUnitState, at('timeout', 'first'))
    expect(once).toEqual({ phase: 'interrupting', at: 1, cause: 'timeout', reason: 'first' })
    expect(transition(once, at('interrupted', 'second'))).toBe(once)
  })

  it('R42: an interrupt is no end: the unit may still finish with a word of its own', () => {
    const [, interrupting, finalizing, ended] = statesAlong([
      { type: 'interrupt', at: 1, cause: 'interrupted', reason: 'enough' },
      { type: 'finish', status: 'completed', cause: 'returned' },
      { type: 'recorded' },
    ])
    expect([interrupting, finalizing, ended].map((state) => isActive(state!))).toEqual([true, false, false])
    expect(ended).toEqual({ phase: 'ended', status: 'completed', cause: 'returned' })
  })

  it('P3: a unit that is not finalizing cannot be recorded as ended', () => {
    expect(transition(initialUnitState, { type: 'recorded' })).toBe(initialUnitState)
  })
})

describe('words', () => {
  it.each([
    'running',
    'stalling',
    'interrupting',
    'finalizing',
    'waiting',
    'queued',
    'input_required',
    'auth_required',
  ])('R22: %s says that something goes on', (live) => expect(isLiveWord(live)).toBe(true))

  it.each(['completed', 'error', 'failed', 'timeout', 'interrupted', 'stalled', 'unknown', 'partial', ''])(
    'R21: %j is an end',
    (ended) => expect(isLiveWord(ended)).toBe(false),
  )

  it('P9: `success` counts as `completed`, and nothing else does', () => {
    expect([isSuccess('completed'), isSuccess('success')]).toEqual([true, true])
    for (const other of ['Completed', 'succeeded', 'partial', '', null, undefined, true]) {
      expect(isSuccess(other)).toBe(false)
    }
  })
})
