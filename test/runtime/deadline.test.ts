import { describe, expect, it } from 'vitest'
import type { Runner } from '../../src/index.js'
import {
  codeOf,
  fixture,
  gate,
  idOf,
  manualClock,
  next,
  open,
  openWithLedger,
  polite,
  quick,
} from './support.js'

describe('the deadline of a unit', () => {
  it('stops what runs as timeout, starts nothing more, and keeps what had ended', async () => {
    const clock = manualClock()
    const { delegator, ledger } = await openWithLedger({ clock, maxConcurrentChildren: 2 })
    const isDone = next(delegator, 'child', ({ state }) => state === 'completed')
    const second = gate()
    const runner: Runner = async (task, ctx) => {
      if (task.goal === 'first') return { summary: 'done in time' }
      if (task.goal === 'third') second.open()
      return polite(task, ctx)
    }
    const id = idOf(
      await delegator.dispatchBatch({
        goals: ['first', 'second', 'third', 'fourth'],
        runner,
        deadlineSeconds: 10,
      }),
    )
    await isDone
    await second.promise
    clock.advance(9_999)
    expect(delegator.activeCount()).toBe(1)
    clock.advance(1)
    const event = await delegator.wait(id)
    const { results } = event as unknown as { readonly results: readonly Record<string, unknown>[] }
    expect(results.map(({ status }) => status)).toEqual(['completed', 'timeout', 'timeout', 'timeout'])
    expect(results.map(({ summary }) => summary)).toEqual([
      'done in time',
      'half of second',
      'half of third',
      null,
    ])
    expect(results[3]?.['error']).toBe(
      'the deadline of the unit, 10 s after its dispatch, has passed (it had not started)',
    )
    expect(event.status).toBe('completed')
    expect(await ledger.get(id)).toMatchObject({ state: 'completed' })
  })

  it('of a single child is its end, with its cause', async () => {
    const { delegator, ledger } = await openWithLedger({ deadlineSeconds: 0.05, interruptGraceMs: 100 })
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: fixture('deaf') }))
    const event = await delegator.wait(id)
    expect(event).toMatchObject({ status: 'timeout', exit_reason: 'timeout' })
    expect(event.error).toContain('the deadline of the unit, 0.05 s after its dispatch, has passed')
    expect(await ledger.get(id)).toMatchObject({ state: 'timeout', cause: 'timeout' })
  })

  it('leaves no timer behind when its unit has ended', async () => {
    const clock = manualClock()
    let pending = 0
    const after: typeof clock.after = (ms, fn) => {
      if (ms !== 77_000) return clock.after(ms, fn)
      pending += 1
      const cancel = clock.after(ms, fn)
      return () => {
        pending -= 1
        cancel()
      }
    }
    const delegator = await open({ clock: { ...clock, after }, deadlineSeconds: 77 })
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner: quick })))
    expect(pending).toBe(0)
  })

  it('is that of the call, which may have none; a unit that has ended is not stopped', async () => {
    const clock = manualClock()
    const delegator = await open({ clock, deadlineSeconds: 1 })
    const forever = idOf(await delegator.dispatch({ goal: 'a', runner: polite, deadlineSeconds: 0 }))
    const ended = idOf(await delegator.dispatch({ goal: 'b', runner: quick }))
    await delegator.wait(ended)
    clock.advance(60_000)
    expect((await delegator.get(ended)).status).toBe('completed')
    expect((await delegator.get(forever)).status).toBe('running')
  })

  it.each([[-1], [Number.NaN], [Infinity], ['5'], [2_147_484]])('%j is none', async (deadlineSeconds) => {
    const delegator = await open()
    const call = { goal: 'a', runner: quick, deadlineSeconds: deadlineSeconds as number }
    expect(await codeOf(delegator.dispatch(call))).toBe('OPTION_INVALID')
    await expect(open({ deadlineSeconds: deadlineSeconds as number })).rejects.toThrow(
      /`deadlineSeconds` to be 0, or a number of seconds up to 2147483/,
    )
  })
})

describe('maxIterations', () => {
  it('is handed to runners: 250, or that of the delegator, the call or the task', async () => {
    const seen: Record<string, number> = {}
    const runner: Runner = (task) => void (seen[task.goal] = task.maxIterations)
    const first = await open()
    await first.wait(idOf(await first.dispatch({ goal: 'default', runner })))
    const delegator = await open({ maxIterations: 40 })
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'delegator', runner })))
    await delegator.wait(
      idOf(
        await delegator.dispatchBatch({
          tasks: [{ goal: 'call' }, { goal: 'task', maxIterations: 2 }],
          runner,
          maxIterations: 7,
        }),
      ),
    )
    expect(seen).toEqual({ default: 250, delegator: 40, call: 7, task: 2 })
  })

  it('reaches a thread', async () => {
    const delegator = await open({ maxIterations: 12 })
    const event = await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner: fixture('echo') })))
    expect(event).toMatchObject({ status: 'completed' })
    const record = await delegator.dispatchBatch({ goals: ['a'], runner: fixture('echo') })
    const batch = await delegator.wait(idOf(record))
    const { results } = batch as unknown as { readonly results: readonly { task: unknown }[] }
    expect(results[0]?.task).toMatchObject({ maxIterations: 12 })
  })

  it.each([[0], [-1], [1.5], [Number.NaN], ['9']])('%j is none', async (maxIterations) => {
    const delegator = await open()
    const bad = { maxIterations: maxIterations as number }
    expect(await codeOf(delegator.dispatch({ goal: 'a', runner: quick, ...bad }))).toBe('OPTION_INVALID')
    expect(await codeOf(delegator.dispatchBatch({ tasks: [{ goal: 'a', ...bad }], runner: quick }))).toBe(
      'OPTION_INVALID',
    )
    await expect(open(bad)).rejects.toThrow(/`maxIterations` to be a whole number from 1 up/)
  })
})
