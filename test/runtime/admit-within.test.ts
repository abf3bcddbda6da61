import { describe, expect, it } from 'vitest'
import { memoryLedger, type Runner } from '../../src/index.js'
import { completionsOf, fixture, gate, idOf, manualClock, open, polite, quick, refused } from './support.js'

describe('a caller that would rather wait (admitWithinMs)', () => {
  it('P1: it gets the slot that becomes free, without a record before', async () => {
    const delegator = await open({ maxUnits: 1 })
    const first = await delegator.dispatch({ goal: 'a', runner: polite })
    const refusals: unknown[] = []
    delegator.events.on('refused', (rejected) => void refusals.push(rejected))
    const waiting = delegator.dispatch({ goal: 'b', admitWithinMs: 60_000, runner: quick })
    expect(await delegator.list()).toHaveLength(1)
    await delegator.interrupt(idOf(first))
    const event = await delegator.wait(idOf(await waiting))
    expect(event).toMatchObject({ goal: 'b', status: 'completed' })
    expect(refusals).toEqual([])
  })

  it('P1: a slot that is freed while the refusal is still on its way is not missed', async () => {
    const released = gate()
    let isSlow = false
    const delegator = await open({
      maxUnits: 1,
      ledger(given) {
        const inner = memoryLedger(given)
        return {
          ...inner,
          async admit(...call) {
            const admission = await inner.admit(...call)
            if (!isSlow) return admission
            isSlow = false
            // The refusal is decided; before it arrives, the slot is given back, and that is announced.
            released.open()
            await delegator.wait(idOf(first))
            await new Promise((resolve) => setImmediate(resolve))
            return admission
          },
        }
      },
    })
    const first = await delegator.dispatch({ goal: 'a', runner: async () => released.promise })
    isSlow = true
    const second = await delegator.dispatch({ goal: 'b', admitWithinMs: 60_000, runner: quick })
    expect(idOf(second)).toMatch(/^deleg_/)
  })

  it('P1: a unit that no wait could help is refused at once, and is told so', async () => {
    const delegator = await open({ maxUnits: 1, maxConcurrentChildren: 6, maxThreads: 4 })
    await delegator.dispatch({ goal: 'a', runner: polite })
    const goals = ['1', '2', '3', '4', '5', '6']
    const wide = { goals, admitWithinMs: 600_000, runner: fixture('echo') }
    expect(refused(await delegator.dispatchBatch(wide))).toMatchObject({
      error: expect.stringContaining('there are never more than 4') as string,
      refusal: { code: 'THREADS', limit: 4 },
    })
    const switchedOff = refused(await delegator.dispatchBatch({ ...wide, maxUnits: 0 }))
    expect(switchedOff.refusal).toMatchObject({ code: 'CAPACITY', limit: 0 })
  })

  it('P1: at the end of its time it is refused, and told once', async () => {
    const clock = manualClock()
    const delegator = await open({ maxUnits: 1, clock })
    await delegator.dispatch({ goal: 'a', runner: polite })
    const refusals: unknown[] = []
    delegator.events.on('refused', (rejected) => void refusals.push(rejected))
    const waiting = delegator.dispatch({ goal: 'b', admitWithinMs: 1_000, runner: quick })
    await new Promise((resolve) => setImmediate(resolve))
    expect(refusals).toEqual([])
    clock.advance(1_000)
    expect(refused(await waiting).refusal?.code).toBe('CAPACITY')
    expect(refusals).toHaveLength(1)
  })

  it('P1: of many that wait each gets a slot in the end, never more than fit at once', async () => {
    const delegator = await open({ maxUnits: 2 })
    let running = 0
    let most = 0
    const runner: Runner = async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running -= 1
    }
    const told = completionsOf(delegator)
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        delegator.dispatch({ goal: `g ${n}`, admitWithinMs: 60_000, runner }),
      ),
    )
    await Promise.all(outcomes.map((outcome) => delegator.wait(idOf(outcome))))
    expect(told).toHaveLength(12)
    expect(most).toBe(2)
  })

  it('P1: it tries again after a change, and at its end, and not in between', async () => {
    let attempts = 0
    const delegator = await open({
      maxUnits: 1,
      ledger(given) {
        const inner = memoryLedger(given)
        return {
          ...inner,
          admit(...call) {
            attempts += 1
            return inner.admit(...call)
          },
        }
      },
    })
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'done', runner: quick })))
    await delegator.dispatch({ goal: 'a', runner: polite })
    await new Promise((resolve) => setImmediate(resolve))
    attempts = 0
    const waiting = delegator.dispatch({ goal: 'b', admitWithinMs: 200, runner: quick })
    const [completion] = await delegator.completions.claim()
    await completion?.ack()
    refused(await waiting)
    expect(attempts).toBe(3)
  })

  it('P1: an empty hint, even one that the attempt itself causes, does not take the event loop', async () => {
    let attempts = 0
    const delegator = await open({
      maxUnits: 1,
      ledger(given) {
        const inner = memoryLedger(given)
        let hint = (): void => undefined
        return {
          ...inner,
          subscribe: (onChange) => inner.subscribe((hint = onChange)),
          admit(...call) {
            attempts += 1
            queueMicrotask(hint)
            return inner.admit(...call)
          },
        }
      },
    })
    await delegator.dispatch({ goal: 'a', runner: polite })
    attempts = 0
    refused(await delegator.dispatch({ goal: 'b', admitWithinMs: 100, runner: quick }))
    expect(attempts).toBeLessThan(40)
  })

  it('P1: close ends the waiting with CLOSED', async () => {
    const delegator = await open({ maxUnits: 1 })
    await delegator.dispatch({ goal: 'a', runner: polite })
    const waiting = delegator.dispatch({ goal: 'b', admitWithinMs: 60_000, runner: quick })
    const outcome = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
    await delegator.close()
    await outcome
  })
})
