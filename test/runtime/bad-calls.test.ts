import { describe, expect, it } from 'vitest'
import {
  createDelegator,
  DelegationError,
  type DelegatorOptions,
  type DispatchBatchOptions,
  type DispatchOptions,
} from '../../src/index.js'
import { codeOf, fixture, idOf, open, polite, quick } from './support.js'

/** What a caller in plain JavaScript may pass. */
const single = (call: unknown): DispatchOptions => call as DispatchOptions
const batch = (call: unknown): DispatchBatchOptions => call as DispatchBatchOptions
const runner = quick

const badSingles: Record<string, [object, string]> = {
  'no goal': [{ runner }, 'GOAL_MISSING'],
  'a goal that is null': [{ goal: null, runner }, 'GOAL_MISSING'],
  'a goal that is a number': [{ goal: 7, runner }, 'GOAL_MISSING'],
  'a blank goal': [{ goal: ' \n\t ', runner }, 'GOAL_BLANK'],
  'a goal that shows nothing': [{ goal: '\u200B \uFEFF\u2060', runner }, 'GOAL_BLANK'],
  'an empty goal': [{ goal: '', runner }, 'GOAL_BLANK'],
  'a goal over 64 kB': [{ goal: 'g'.repeat(65_537), runner }, 'GOAL_TOO_LONG'],
  'a context over 1 MB': [{ goal: 'a', context: 'c'.repeat(1_048_577), runner }, 'CONTEXT_TOO_LONG'],
  'a context that is a number': [{ goal: 'a', context: 7, runner }, 'OPTION_INVALID'],
  'toolsets that are a string': [{ goal: 'a', toolsets: 'web', runner }, 'OPTION_INVALID'],
  'toolsets that are no names': [{ goal: 'a', toolsets: [1, {}], runner }, 'OPTION_INVALID'],
  'toolsets with a hole': [{ goal: 'a', toolsets: new Array<string>(1), runner }, 'OPTION_INVALID'],
  'an unknown delivery': [{ goal: 'a', delivery: 'banana', runner }, 'OPTION_INVALID'],
  'an unknown placement': [
    { goal: 'a', runner: { url: 'file:///x.js', placement: 'moon' } },
    'RUNNER_INVALID',
  ],
  'a word of `together` that is a number': [
    { goal: 'a', runner: { url: 'file:///x.js', placement: 'shared', together: 5 } },
    'RUNNER_INVALID',
  ],
  'an empty word of `together`': [
    { goal: 'a', runner: { url: 'file:///x.js', together: '' } },
    'RUNNER_INVALID',
  ],
  'a reference that runs inline': [
    { goal: 'a', runner: { url: 'file:///x.js', placement: 'inline' } },
    'RUNNER_INVALID',
  ],
  'a session key that is a number': [{ goal: 'a', sessionKey: 7, runner }, 'OPTION_INVALID'],
  'no runner': [{ goal: 'a' }, 'RUNNER_MISSING'],
  'an unknown runner': [{ goal: 'a', runner: 'nobody' }, 'RUNNER_UNKNOWN'],
  'a runner by the name of an inherited property': [{ goal: 'a', runner: 'toString' }, 'RUNNER_UNKNOWN'],
  'a runner that is a number': [{ goal: 'a', runner: 7 }, 'RUNNER_INVALID'],
  'a runner that is an object without a URL': [{ goal: 'a', runner: {} }, 'RUNNER_INVALID'],
  'a runner with an empty URL': [{ goal: 'a', runner: { url: '' } }, 'RUNNER_INVALID'],
  'a runner whose options hold a function': [
    { goal: 'a', runner: { url: 'file:///x.js', options: { fn: quick } } },
    'RUNNER_INVALID',
  ],
  'a runner whose options hold a BigInt': [
    { goal: 'a', runner: { url: 'file:///x.js', options: 1n } },
    'RUNNER_INVALID',
  ],
  'metadata that hold a function': [{ goal: 'a', metadata: { quick }, runner }, 'OPTION_INVALID'],
  'a cap below 0': [{ goal: 'a', maxUnits: -1, runner }, 'OPTION_INVALID'],
  'a cap that is NaN': [{ goal: 'a', maxUnits: NaN, runner }, 'OPTION_INVALID'],
  'a cap that is a fraction': [{ goal: 'a', maxUnits: 1.5, runner }, 'OPTION_INVALID'],
  'a cap that is a string': [{ goal: 'a', maxUnits: '3', runner }, 'OPTION_INVALID'],
  'a wait below 0': [{ goal: 'a', admitWithinMs: -1, runner }, 'OPTION_INVALID'],
  'a wait that is NaN': [{ goal: 'a', admitWithinMs: NaN, runner }, 'OPTION_INVALID'],
  'a time limit below 0': [{ goal: 'a', childTimeoutSeconds: -1, runner }, 'OPTION_INVALID'],
}

const badBatches: Record<string, [object, string]> = {
  'neither goals nor tasks': [{ runner }, 'GOALS_NOT_A_LIST'],
  'goals that are a string': [{ goals: 'a', runner }, 'GOALS_NOT_A_LIST'],
  'goals that are a set': [{ goals: new Set(['a']), runner }, 'GOALS_NOT_A_LIST'],
  'tasks that are an object': [{ tasks: { goal: 'a' }, runner }, 'TASKS_NOT_A_LIST'],
  'tasks that are strings': [{ tasks: ['a'], runner }, 'TASKS_NOT_A_LIST'],
  'a task that is null': [{ tasks: [{ goal: 'a' }, null], runner }, 'TASKS_NOT_A_LIST'],
  'no goals for a runner per child': [{ goals: [], runner }, 'GOALS_EMPTY'],
  'no tasks for a runner per child': [{ tasks: [], runner }, 'GOALS_EMPTY'],
  'goals that are nothing but holes': [{ goals: new Array<string>(3), runner }, 'GOAL_MISSING'],
  'tasks with a hole': [{ tasks: new Array<object>(1), runner }, 'TASKS_NOT_A_LIST'],
  'more than 10,000 goals': [{ goals: Array<string>(10_001).fill('a'), runner }, 'GOALS_TOO_MANY'],
  'more tasks than anybody can count': [{ tasks: new Array<object>(4e9), runner }, 'GOALS_TOO_MANY'],
  'a blank goal among others': [{ goals: ['a', ' '], runner }, 'GOAL_BLANK'],
  'a task without a goal': [{ tasks: [{ goal: 'a' }, {}], runner }, 'GOAL_MISSING'],
  'a task with an unknown runner': [
    { tasks: [{ goal: 'a' }, { goal: 'b', runner: 'x' }], runner },
    'RUNNER_UNKNOWN',
  ],
  'a task with a context over 1 MB': [
    { tasks: [{ goal: 'a', context: 'c'.repeat(1_048_577) }], runner },
    'CONTEXT_TOO_LONG',
  ],
  'a whole batch run by a number': [{ goals: ['a'], run: 7 }, 'OPTION_INVALID'],
  'one function for all, and a runner': [{ goals: ['a'], run: () => ({}), runner }, 'OPTION_INVALID'],
  'a blank goal of the whole-batch form': [{ goals: [''], run: () => ({}) }, 'GOAL_BLANK'],
}

describe('calls that could never be admitted', () => {
  it.each(Object.entries(badSingles))(
    'R11: %s: a DelegationError, and no trace',
    async (_what, [call, code]) => {
      const delegator = await open()
      const refusals: unknown[] = []
      delegator.events.on('refused', (refusal) => void refusals.push(refusal))
      const error = await delegator.dispatch(single(call)).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(DelegationError)
      expect(error).toMatchObject({ name: 'DelegationError', code })
      expect(String(error)).not.toContain('undefined')
      expect(await delegator.list()).toEqual([])
      expect(refusals).toEqual([])
    },
  )

  it.each(Object.entries(badBatches))(
    'R31: %s: a DelegationError, and no trace',
    async (_what, [call, code]) => {
      const delegator = await open()
      await expect(delegator.dispatchBatch(batch(call))).rejects.toMatchObject({
        name: 'DelegationError',
        code,
      })
      expect(await delegator.list()).toEqual([])
    },
  )

  it.each([undefined, null, 7, 'a goal'])('R11: a call that is no object (%j)', async (call) => {
    const delegator = await open({ runner })
    expect(await codeOf(delegator.dispatch(call as unknown as DispatchOptions))).toBe('OPTION_INVALID')
    const asBatch = call as unknown as DispatchBatchOptions
    expect(await codeOf(delegator.dispatchBatch(asBatch))).toBe('OPTION_INVALID')
  })

  it.each([NaN, -1, '5' as unknown as number])('R11: a wait, or a grace, of %j ms', async (ms) => {
    const delegator = await open({ runner: polite })
    const id = idOf(await delegator.dispatch({ goal: 'a' }))
    expect(await codeOf(delegator.wait(id, { timeoutMs: ms }))).toBe('OPTION_INVALID')
    expect(await codeOf(delegator.interrupt(id, { graceMs: ms }))).toBe('OPTION_INVALID')
    expect(await codeOf(delegator.close({ graceMs: ms }))).toBe('OPTION_INVALID')
    expect(delegator.activeCount()).toBe(1)
  })

  it('R11: the error says which task, what limit and what value', async () => {
    const delegator = await open()
    await expect(delegator.dispatchBatch({ goals: ['a', 'g'.repeat(70_000)], runner })).rejects.toMatchObject(
      {
        message: expect.stringMatching(/70000 of task 1.*65536/) as string,
        detail: { at_most: 65_536 },
      },
    )
    await expect(delegator.dispatch({ goal: 'a', runner: 'shel' })).rejects.toThrow(
      /runner: shel, configured: none/,
    )
  })

  it('R31: a hole in the list of goals is a goal that is missing, and is named', async () => {
    const delegator = await open()
    const goals = Object.assign(new Array<string>(3), { 0: 'a', 2: 'c' })
    for (const form of [{ runner }, { run: () => ({}) }]) {
      await expect(delegator.dispatchBatch({ goals, ...form })).rejects.toThrow(
        /a goal \(goal: none of task 1\)/,
      )
    }
    expect(await delegator.interruptAll()).toMatchObject({ signalled: 0, units: 0 })
  })

  it('R11: text in place of a number is shown as text, and an object by its article', async () => {
    const delegator = await open()
    const maxUnits = '3' as unknown as number
    await expect(delegator.dispatch({ goal: 'a', maxUnits, runner })).rejects.toThrow('(maxUnits: "3", ')
    await expect(createDelegator({ maxUnits })).rejects.toThrow('from 0 up, got "3"')
    const goal = {} as unknown as string
    await expect(delegator.dispatch({ goal, runner })).rejects.toThrow('(goal: an object)')
  })

  it('R11: a goal of signs that only just show is one', async () => {
    const delegator = await open({ runner })
    for (const goal of ['.', '\u200Ba', '\u{1F44D}\u{1F3FD}', '\u3042'])
      expect((await delegator.wait(idOf(await delegator.dispatch({ goal })))).status).toBe('completed')
  })

  it('R11: what is just inside its bound is admitted', async () => {
    const delegator = await open({ runners: { quick }, runner: 'quick' })
    const call = { goal: 'g'.repeat(65_536), context: 'c'.repeat(1_048_576) }
    expect((await delegator.wait(idOf(await delegator.dispatch(call)))).status).toBe('completed')
  })
})

describe('options of createDelegator', () => {
  const wrong = (options: object): DelegatorOptions => options
  const bad: [string, DelegatorOptions][] = [
    ['maxUnits', { maxUnits: -1 }],
    ['maxUnits', { maxUnits: NaN }],
    ['maxUnits', { maxUnits: Infinity }],
    ['maxUnits', { maxUnits: '3' as unknown as number }],
    ['maxConcurrentChildren', { maxConcurrentChildren: 0 }],
    ['maxThreads', { maxThreads: 65 }],
    ['maxThreads', { maxThreads: 0 }],
    ['maxSharedThreads', { maxSharedThreads: 0 }],
    ['interruptGraceMs', { interruptGraceMs: -5 }],
    ['childTimeoutSeconds', { childTimeoutSeconds: NaN }],
    ['childMemoryMb', { childMemoryMb: 8 }],
    ['importTimeoutMs', { importTimeoutMs: 0 }],
    ['adopt', wrong({ adopt: 'yes' })],
    ['runners', wrong({ runners: 7 })],
    ['runners.a', wrong({ runners: { a: 7 } })],
    ['runner', { runner: 'nope' }],
    ['runner', { runner: 'toString', runners: { quick } }],
    ['runner', wrong({ runner: 7 })],
    ['logger', wrong({ logger: 7 })],
    ['ledger', wrong({ ledger: 7 })],
    ['ledger', wrong({ ledger: null })],
    ['clock', wrong({ clock: 7 })],
    ['executor', wrong({ executor: 7 })],
    ['transcripts', wrong({ transcripts: 7 })],
    ['spillFolder', wrong({ spillFolder: 7 })],
    ['stall', wrong({ stall: 7 })],
    ['maxUnits', wrong({ maxUnits: null })],
    ['capacityScope', { capacityScope: 'galaxy' as 'process' }],
  ]

  it.each(bad)('R6: a bad %s is a TypeError that names it and the value (%j)', async (name, options) => {
    const error = await createDelegator(options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toContain(`\`${name}\``)
    expect(String(error)).toMatch(/, got ("\w+"|-?\d+|\w+)$/)
  })

  it('R6: an option that is unknown is a TypeError that names what was meant', async () => {
    const opening = (options: object) => createDelegator(options)
    await expect(opening({ maxUnit: 3 })).rejects.toThrow(
      'Unknown option `maxUnit`: did you mean `maxUnits`?',
    )
    await expect(opening({ somethingElse: 3 })).rejects.toThrow(/known are maxUnits, maxConcurrentChildren, /)
    await expect(createDelegator(null as unknown as DelegatorOptions)).rejects.toThrow(TypeError)
  })

  it('R6: the default cap is 3', async () => {
    const delegator = await open()
    expect(await delegator.capacity()).toEqual({ limit: 3, inUse: 0, free: 3, scope: 'process', holders: [] })
  })

  it('R11: a runner by name, and the one for calls that name none', async () => {
    const delegator = await open({ runners: { echo: fixture('echo'), quick }, runner: 'quick' })
    const named = await delegator.dispatch({ goal: 'a', runner: 'echo' })
    const none = await delegator.dispatch({ goal: 'b' })
    expect(await delegator.wait(idOf(named))).toMatchObject({ summary: 'a' })
    expect(await delegator.wait(idOf(none))).toMatchObject({ summary: 'did b' })
  })
})
