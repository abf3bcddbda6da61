import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DelegatorEvent, DelegatorSnapshot, Runner } from '../../src/index.js'
import type { JsonObject } from '../../src/core/json.js'
import { fixture, gate, idOf, next, open, polite } from './support.js'

type Shown = Omit<DelegatorSnapshot, 'n' | 'at'>

/** Without what the clock alone changes. */
function shownOf({ capacity, units }: DelegatorSnapshot): Shown {
  return {
    capacity,
    units: units.map((unit) => ({
      ...unit,
      seconds: 0,
      children: unit.children.map((child) => ({ ...child, seconds: 0 })),
    })),
  }
}

const noFacts = {
  current_tool: null,
  api_calls: 0,
  usage: { input_tokens: 0, output_tokens: 0, cost_usd: 0 },
}
const liveWords = ['waiting', 'running', 'stalling', 'interrupting', 'input_required']

/** What a consumer does: holds a snapshot, and applies the later events to it. Written from their documentation alone. */
function consumer(start: DelegatorSnapshot) {
  type Unit = DelegatorSnapshot['units'][number]
  const units = new Map<string, Unit>(start.units.map((unit) => [unit.delegation_id, unit]))
  const change = (id: string, how: (unit: Unit) => Unit): void => {
    const unit = units.get(id)
    if (unit !== undefined) units.set(id, how(unit))
  }
  const sum = (unit: Unit, of: (child: Unit['children'][number]) => number): number =>
    unit.children.reduce((total, child) => total + of(child), 0)
  function changeChild(id: string, index: number, how: object): void {
    change(id, (unit) => ({
      ...unit,
      children: unit.children.map((child) => (child.task_index === index ? { ...child, ...how } : child)),
    }))
  }
  return {
    apply(event: DelegatorEvent): void {
      if (event.n <= start.n) return
      if (event.type === 'dispatched') {
        const { delegation_id, goals, task_indexes, session_key, slot_key, parent_id = null } = event.payload
        const children = task_indexes.map((task_index) => ({
          task_index,
          goal: goals[task_index]!,
          state: 'waiting',
          ...noFacts,
          seconds: 0,
        }))
        const totals = { children: children.length, ended: 0, api_calls: 0, usage: noFacts.usage }
        const unit = { delegation_id, parent_id, slot_key, session_key, state: 'running', seconds: 0 }
        units.set(delegation_id, { ...unit, totals, children })
      } else if (event.type === 'child') {
        const { delegation_id, task_index, state, current_tool, api_calls, usage } = event.payload
        changeChild(delegation_id, task_index, { state, current_tool, api_calls, usage })
      } else if (event.type === 'progress') {
        const { delegation_id, task_index, current_tool, api_calls, usage } = event.payload
        changeChild(delegation_id, task_index, { current_tool, api_calls, usage })
      } else if (event.type === 'unit') {
        const { delegation_id, state } = event.payload
        change(delegation_id, (unit) => ({ ...unit, state }))
      } else if (event.type === 'gone') units.delete(event.payload.delegation_id)
    },
    shown(): Shown {
      const all = [...units.values()].map((unit) => ({
        ...unit,
        totals: {
          children: unit.children.length,
          ended: unit.children.filter(({ state }) => !liveWords.includes(state)).length,
          api_calls: sum(unit, (child) => child.api_calls),
          usage: {
            input_tokens: sum(unit, ({ usage }) => usage.input_tokens),
            output_tokens: sum(unit, ({ usage }) => usage.output_tokens),
            cost_usd: sum(unit, ({ usage }) => usage.cost_usd),
          },
        },
      }))
      const in_use = new Set(all.map(({ slot_key }) => slot_key)).size
      return shownOf({ n: 0, at: 0, capacity: { limit: start.capacity.limit, in_use }, units: all })
    },
  }
}

/** Steps that the test takes in turn; what happens in threads comes when it comes. */
type Step =
  | {
      readonly kind: 'dispatch'
      readonly how: 'inline' | 'shared' | 'shared batch' | 'groups' | 'batch' | 'whole' | 'deaf'
    }
  | { readonly kind: 'progress' | 'ask' | 'end' | 'throw' | 'interrupt'; readonly of: number }
  | { readonly kind: 'wait' | 'look' | 'lookInside' }

const at = fc.nat({ max: 5 })
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('dispatch' as const),
    how: fc.constantFrom('inline', 'shared', 'shared batch', 'groups', 'batch', 'whole', 'deaf'),
  }),
  fc.record({ kind: fc.constantFrom('progress', 'ask', 'end', 'throw', 'interrupt'), of: at }),
  fc.record({ kind: fc.constantFrom('wait', 'look', 'lookInside') }),
)

describe('the snapshot and the events', () => {
  it('P2: whoever begins late, at any moment, and applies what comes after, knows what the delegator knows', async () => {
    let looks = 0
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 8, maxLength: 24 }), async (steps) => {
        const delegator = await open({ maxUnits: 6, maxConcurrentChildren: 2, interruptGraceMs: 20 })
        const consumers = new Set<ReturnType<typeof consumer>>()
        const numbers: number[] = []
        let looksInside = false
        const look = (): void => {
          looks += 1
          consumers.add(consumer(delegator.snapshot()))
        }
        delegator.events.onAny((event) => {
          numbers.push(event.n)
          // Between any two steps of the delegator, not only of the test.
          queueMicrotask(() => isDeepStrictEqual(truths(), known()) || problems.push(event))
          for (const each of consumers) each.apply(event)
          if (looksInside) look()
          looksInside = false
        })
        const problems: DelegatorEvent[] = []
        const known = (): Shown[] => [...consumers].map((each) => each.shown())
        const truths = (): Shown[] => [...consumers].map(() => shownOf(delegator.snapshot()))
        const agree = (): void => {
          expect(numbers).toEqual(Array.from({ length: delegator.snapshot().n }, (_, index) => index + 1))
          expect(known()).toEqual(truths())
          expect(problems).toEqual([])
        }
        consumers.add(consumer(delegator.snapshot()))

        const controls: { progress(): void; ask(): void; end(): void; fail(): void }[] = []
        const controlled: Runner = async (task, ctx) => {
          const done = gate<JsonObject>()
          let calls = 0
          const slot = controls.length
          controls.push({
            progress: () =>
              ctx.progress({
                current_tool: `tool ${slot}`,
                api_calls: (calls += 1),
                usage: { input_tokens: 7 },
              }),
            ask: () => void ctx.ask('which one?').catch(() => undefined),
            end: () =>
              done.open({ summary: task.goal, api_calls: 40, usage: { output_tokens: 3, cost_usd: 2 } }),
            fail: () => done.open({ status: 'failed', error: 'why' }),
          })
          ctx.signal.addEventListener('abort', () => done.open({ status: 'interrupted' }), { once: true })
          return done.promise
        }
        const ids: string[] = []
        const dispatchOne = async (how: string): Promise<void> => {
          const call = { sessionKey: 's' }
          const outcome =
            how === 'batch'
              ? await delegator.dispatchBatch({ ...call, goals: ['a', 'b', 'c'], runner: controlled })
              : how === 'groups'
                ? await delegator.dispatchBatch({
                    ...call,
                    independentCompletions: true,
                    tasks: [{ goal: 'a', group: 'x' }, { goal: 'b' }, { goal: 'c', group: 'x' }],
                    runner: controlled,
                  })
                : how === 'shared batch'
                  ? await delegator.dispatchBatch({
                      ...call,
                      goals: ['a', 'b', 'c', 'd'],
                      runner: fixture('default', { placement: 'shared' }),
                    })
                  : how === 'whole'
                    ? await delegator.dispatchBatch({
                        ...call,
                        goals: ['a', 'b'],
                        run: async ({ signal }) => {
                          await new Promise((resolve) => signal.addEventListener('abort', resolve))
                          return {
                            results: [{ task_index: 0, status: 'success' }],
                            total_duration_seconds: 1,
                          }
                        },
                      })
                    : await delegator.dispatch({
                        ...call,
                        goal: how,
                        runner:
                          how === 'shared'
                            ? fixture('default', { placement: 'shared' })
                            : how === 'deaf'
                              ? () => new Promise(() => undefined)
                              : controlled,
                      })
          if (outcome.status === 'dispatched') ids.push(outcome.delegationId)
        }

        for (const step of steps) {
          if (step.kind === 'dispatch') await dispatchOne(step.how)
          else if (step.kind === 'progress') controls[step.of]?.progress()
          else if (step.kind === 'ask') controls[step.of]?.ask()
          else if (step.kind === 'end') controls[step.of]?.end()
          else if (step.kind === 'throw') controls[step.of]?.fail()
          else if (step.kind === 'interrupt') {
            const id = ids[step.of]
            // The id of a call whose units are all gone names nothing any more.
            if (id !== undefined) delegator.interrupt(id).catch(() => undefined)
          } else if (step.kind === 'wait') await new Promise((resolve) => setTimeout(resolve, 5))
          else if (step.kind === 'look') look()
          else looksInside = true
          agree()
        }
        await delegator.interruptAll('over', { graceMs: 20 })
        agree()
        await delegator.close({ graceMs: 0 })
        agree()
      }),
      { numRuns: 25, endOnFailure: true },
    )
    expect(looks).toBeGreaterThan(25)
  }, 120_000)

  it('is plain data, and counts the slots of this delegator', async () => {
    const delegator = await open({ maxUnits: 4 })
    const running = next(delegator, 'child', ({ state }) => state === 'running')
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: polite, sessionKey: 's' }))
    await running
    const taken = delegator.snapshot()
    expect(JSON.parse(JSON.stringify(taken))).toEqual(taken)
    expect(taken).toMatchObject({
      capacity: { limit: 4, in_use: 1 },
      units: [
        {
          delegation_id: id,
          parent_id: null,
          slot_key: id,
          session_key: 's',
          state: 'running',
          totals: { children: 1, ended: 0, api_calls: 0 },
          children: [{ task_index: 0, goal: 'a', state: 'running', current_tool: null, api_calls: 0 }],
        },
      ],
    })
    await delegator.interrupt(id)
    await delegator.wait(id)
    expect(delegator.snapshot()).toMatchObject({ capacity: { in_use: 0 }, units: [] })
  })

  it('P6: a child that goes on after its end was told keeps its unit in the snapshot', async () => {
    const delegator = await open({ interruptGraceMs: 0 })
    const blocks = gate()
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: () => blocks.promise }))
    const ended = delegator.wait(id)
    const report = delegator.interrupt(id)
    await ended
    expect(delegator.snapshot()).toMatchObject({
      capacity: { in_use: 1 },
      units: [{ delegation_id: id, state: 'interrupted', totals: { ended: 1 } }],
    })
    const gone = next(delegator, 'gone')
    blocks.open()
    await gone
    await report
    expect(delegator.snapshot().units).toEqual([])
  })
})

describe('all events in one place', () => {
  it('P2: everyone hears everything in one order, also what a listener causes', async () => {
    const delegator = await open()
    const first: string[] = []
    const second: string[] = []
    delegator.events.onAny(({ n, type }) => {
      first.push(`${n} ${type}`)
      if (type === 'dispatched') void delegator.interruptAll('at once')
    })
    const stop = delegator.events.onAny(({ n, type }) => second.push(`${n} ${type}`))
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: polite }))
    await delegator.wait(id)
    expect(second).toEqual(first)
    expect(first.map((line) => Number.parseInt(line, 10))).toEqual(first.map((_line, index) => index + 1))
    expect(first.map((line) => line.split(' ')[1])).toEqual([
      ...['dispatched', 'unit', 'child', 'child', 'child', 'unit', 'unit', 'completion', 'gone'],
    ])
    stop()
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'b', runner: () => ({}) })))
    expect(second.length).toBeLessThan(first.length)
  })
})
