import pino from 'pino'
import { describe, expect, it } from 'vitest'
import type { AsyncDelegationEvent, Completion } from '../../src/index.js'
import { fileGate, fixture, gate, idOf, next, open, quick } from './support.js'

describe('what a delegator tells', () => {
  it('P2: a unit is told in this order: dispatched, child running, child ended, completion', async () => {
    const delegator = await open()
    const told: string[] = []
    delegator.events.on('dispatched', ({ goals }) => void told.push(`dispatched ${goals.join()}`))
    delegator.events.on(
      'child',
      ({ goal, state, result }) =>
        void told.push(`child ${goal} ${state} ${result === undefined ? '' : String(result.summary)}`.trim()),
    )
    delegator.events.on('completion', ({ status }) => void told.push(`completion ${status}`))
    for (const runner of [quick, fixture('default')]) {
      await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner })))
    }
    const one = ['dispatched a', 'child a running', 'child a completed did a', 'completion completed']
    expect(told).toEqual([...one, ...one])
  })

  it('P2: of a batch every child comes before the one completion', async () => {
    const delegator = await open()
    const told: string[] = []
    delegator.events.on('child', ({ task_index, state }) => void told.push(`${task_index} ${state}`))
    delegator.events.on('completion', () => void told.push('completion'))
    await delegator.wait(
      idOf(await delegator.dispatchBatch({ goals: ['ok', 'fail'], runner: fixture('byGoal') })),
    )
    expect(told.at(-1)).toBe('completion')
    expect([...told.slice(0, -1)].sort()).toEqual(['0 completed', '0 running', '1 error', '1 running'])
  })

  it('P3: the event is in the ledger, claimable, before its completion is told', async () => {
    const delegator = await open()
    const claimed = gate<readonly Completion[]>()
    delegator.events.once('completion', () => void delegator.completions.claim().then(claimed.open))
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: quick }))
    const [completion] = await claimed.promise
    expect(completion?.event).toMatchObject({ delegation_id: id, event_id: id, seq: 1, status: 'completed' })
  })

  it('P3: what is told is what the ledger gives and what wait returns', async () => {
    const delegator = await open()
    const told = next(delegator, 'completion')
    const id = idOf(await delegator.dispatch({ goal: 'a', runner: quick, metadata: { ticket: 7 } }))
    const waited = await delegator.wait(id)
    const [completion] = await delegator.completions.claim()
    expect(await told).toEqual(waited)
    expect(completion?.event).toEqual(waited)
    expect(waited.metadata).toEqual({ ticket: 7 })
    expect((await delegator.get(id)).metadata).toEqual({ ticket: 7 })
    await delegator.dispatch({ goal: 'b', runner: quick, originUiSessionId: 'there' })
    const there = await delegator.list({ originUiSessionId: 'there' })
    expect(there.map(({ goal }) => goal)).toEqual(['b'])
  })

  it('P2: a listener that throws is logged, and harms neither the work nor the others', async () => {
    const logged: string[] = []
    const logger = pino({ level: 'error' }, { write: (line: string) => void logged.push(line) })
    const delegator = await open({ logger })
    const heard: string[] = []
    for (const name of ['dispatched', 'child', 'completion'] as const) {
      delegator.events.on(name, () => {
        throw new Error(`a bad listener of ${name}`)
      })
      delegator.events.on(name, () => void heard.push(name))
    }
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner: quick })))
    expect(heard).toEqual(['dispatched', 'child', 'child', 'completion'])
    expect(logged).toHaveLength(4)
    expect(logged[0]).toContain('a bad listener of dispatched')
  })

  it('P2: a listener that rejects is logged likewise', async () => {
    const logged = gate<string>()
    const logger = pino({ level: 'error' }, { write: logged.open })
    const delegator = await open({ logger })
    const listener = async (): Promise<void> => {
      throw new Error('an asynchronous listener')
    }
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- what a host may well do
    delegator.events.on('completion', listener)
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner: quick })))
    expect(await logged.promise).toContain('an asynchronous listener')
  })

  it('P2: once tells once, off tells no more, of the same function on several names', async () => {
    const delegator = await open()
    const heard: string[] = []
    const once = (event: AsyncDelegationEvent): void => void heard.push(`once ${event.goal}`)
    const always = (payload: object): void =>
      void heard.push('status' in payload ? 'completion' : 'dispatched')
    delegator.events.once('completion', once)
    delegator.events.on('completion', always)
    delegator.events.on('dispatched', always)
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner: quick })))
    delegator.events.off('completion', always)
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'b', runner: quick })))
    delegator.events.off('dispatched', always)
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'c', runner: quick })))
    expect(heard).toEqual(['dispatched', 'once a', 'completion', 'dispatched'])
  })

  it('P7: progress is merged, comes with the newest lines, and is shown in the record', async () => {
    const delegator = await open()
    const lines: string[] = []
    delegator.events.on('progress', (activity) => void lines.push(...activity.lines))
    const first = next(delegator, 'progress', ({ progress }) => progress?.['step'] === 1)
    const last = next(delegator, 'progress', ({ progress }) => progress?.['step'] === 2)
    const file = fileGate()
    const runner = fixture('reports', { options: { path: file.path } })
    const id = idOf(await delegator.dispatch({ goal: 'a', runner }))
    expect(await first).toMatchObject({ delegation_id: id, task_index: 0 })
    const { children } = await delegator.get(id)
    expect(children[0]?.progress).toEqual({ step: 1, kept: true })
    file.open()
    expect((await last).progress).toEqual({ step: 2, kept: true })
    expect(lines).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d log \| one line$/)])
  })
})

describe('the single event', () => {
  it('R29: it has exactly the sixteen fields of the original, and event_id and seq', async () => {
    const delegator = await open()
    const before = Date.now() / 1000
    const id = idOf(
      await delegator.dispatch({ goal: 'a', context: 'c', toolsets: ['t'], model: 'm', runner: quick }),
    )
    const event = await delegator.wait(id)
    expect(event).toEqual({
      type: 'async_delegation',
      delegation_id: id,
      event_id: id,
      seq: 1,
      session_key: '',
      goal: 'a',
      context: 'c',
      toolsets: ['t'],
      role: 'leaf',
      model: 'm',
      status: 'completed',
      summary: 'did a',
      error: null,
      api_calls: 0,
      duration_seconds: expect.any(Number) as number,
      dispatched_at: expect.any(Number) as number,
      completed_at: expect.any(Number) as number,
      exit_reason: null,
    })
    expect(event.dispatched_at).toBeGreaterThanOrEqual(before - 0.01)
    expect(event.completed_at).toBeGreaterThanOrEqual(event.dispatched_at ?? Infinity)
  })

  it('R21: a runner that returns nothing has completed, and any word of its own is delivered as it is', async () => {
    const delegator = await open()
    const endOf = async (result: { status: string } | undefined) =>
      delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner: () => result })))
    expect(await endOf(undefined)).toMatchObject({ status: 'completed', summary: null, error: null })
    expect(await endOf({ status: 'interrupted' })).toMatchObject({ status: 'interrupted' })
    expect(await endOf({ status: 'gave up, politely' })).toMatchObject({ status: 'gave up, politely' })
  })

  it('R23: what a runner throws is `<Type>: <message>`, with zero calls and a duration', async () => {
    const delegator = await open()
    const runner = fixture('throwsError', {}, 'faulty.js')
    expect(await delegator.wait(idOf(await delegator.dispatch({ goal: 'a', runner })))).toMatchObject({
      status: 'error',
      summary: null,
      error: 'RangeError: out of range',
      error_detail: { name: 'RangeError', code: 'E42' },
      api_calls: 0,
      duration_seconds: expect.any(Number) as number,
      exit_reason: null,
    })
  })
})
