import pino from 'pino'
import { describe, expect, it } from 'vitest'
import { DelegationError, memoryLedger, withSession, type Executor } from '../../src/index.js'
import {
  childRuns,
  completionsOf,
  fixture,
  gate,
  idOf,
  open,
  openWithLedger,
  polite,
  quick,
  refused,
} from './support.js'

describe('admission: what is admitted', () => {
  it('a name that is taken is drawn again, and nothing is left of the first', async () => {
    const tried: string[] = []
    const delegator = await open({
      maxUnits: 1,
      ledger(given) {
        const ledger = memoryLedger(given)
        const { admit } = ledger
        ledger.admit = (owner, draft, ...rest) => {
          tried.push(draft.id)
          if (tried.length > 1) return admit(owner, draft, ...rest)
          return Promise.reject(new DelegationError('LEDGER_DUPLICATE', { id: draft.id }))
        }
        return ledger
      },
    })
    const id = idOf(await delegator.dispatch({ goal: 'g', runner: quick }))
    expect(await delegator.wait(id)).toMatchObject({ delegation_id: tried[1], status: 'completed' })
    expect(tried).toHaveLength(2)
    expect(tried[0]).not.toBe(tried[1])
    expect(await delegator.capacity()).toMatchObject({ inUse: 0 })
  })

  it('names are 20 hex digits, of which those of one moment have the first in common', async () => {
    const delegator = await open({ maxUnits: 100 })
    const before = Math.floor((Date.now() / 1000) * 16)
    const handles = await Promise.all(
      Array.from({ length: 50 }, () => delegator.dispatch({ goal: 'g', runner: quick })),
    )
    const ids = handles.map(idOf)
    expect(new Set(ids).size).toBe(50)
    for (const id of ids) {
      expect(id).toMatch(/^deleg_[0-9a-f]{20}$/)
      const at = Number.parseInt(id.slice(6, 15), 16)
      expect(at).toBeGreaterThanOrEqual(before)
      expect(at).toBeLessThanOrEqual(Math.floor((Date.now() / 1000) * 16))
    }
  })

  it('R11: every input reaches the runner, from a thread and from a plain function alike', async () => {
    const delegator = await open()
    const call = {
      goal: 'look around',
      context: 'the context',
      toolsets: ['web', 'files'],
      role: 'orchestrator',
      model: 'a-model',
      sessionKey: 'agent:main:cli:dm:1',
    }
    const inThread = await delegator.dispatch({ ...call, runner: fixture('echo', { options: { depth: 1 } }) })
    const [record] = (await delegator.list()).filter(({ delegation_id }) => delegation_id === idOf(inThread))
    const threadEvent = await delegator.wait(idOf(inThread))
    const whole = gate<unknown>()
    const inline = await delegator.dispatch({ ...call, runner: (task) => whole.open({ ...task }) })
    const task = { ...call, taskIndex: 0 }
    expect(await whole.promise).toMatchObject({ ...task, delegationId: idOf(inline) })
    expect(threadEvent).toMatchObject({ summary: 'look around', context: 'the context', model: 'a-model' })
    expect(record).toMatchObject({ ...{ goal: call.goal, context: call.context, role: call.role } })
  })

  it('R12: toolsets are copied, an empty list becomes null, and a role that is not given is leaf', async () => {
    const delegator = await open()
    const toolsets = ['web']
    const first = await delegator.dispatch({ goal: 'a', toolsets, runner: polite })
    toolsets.push('changed later')
    const second = await delegator.dispatch({ goal: 'b', toolsets: [], runner: polite })
    expect(await delegator.get(idOf(first))).toMatchObject({
      toolsets: ['web'],
      role: 'leaf',
      status: 'running',
      completed_at: null,
      context: null,
      model: null,
    })
    expect((await delegator.get(idOf(second))).toolsets).toBeNull()
  })

  it('R17: a dispatch returns before its runner is called', async () => {
    const delegator = await open()
    let isCalled = false
    const dispatching = delegator.dispatch({ goal: 'a', runner: () => void (isCalled = true) })
    expect(isCalled).toBe(false)
    expect(await dispatching).toEqual({
      status: 'dispatched',
      delegationId: expect.stringMatching(/^deleg_[0-9a-f]{20}$/) as string,
    })
    await delegator.wait(idOf(await dispatching))
    expect(isCalled).toBe(true)
  })

  it('R7: ids are deleg_ and 20 hex digits, and never the same', async () => {
    const delegator = await open({ maxUnits: 500 })
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, (_, n) => delegator.dispatch({ goal: `goal ${n}`, runner: quick })),
    )
    const ids = outcomes.map(idOf)
    for (const id of ids) expect(id).toMatch(/^deleg_[0-9a-f]{20}$/)
    expect(new Set(ids).size).toBe(500)
  })

  it('R19: one info line per dispatch: id, session (or <cli>) and 80 characters of the goal', async () => {
    const lines: Record<string, unknown>[] = []
    const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>)
    const delegator = await open({ logger: pino({ level: 'info' }, { write }), maxUnits: 2 })
    const first = await delegator.dispatch({ goal: 'g'.repeat(300), runner: polite })
    const second = await delegator.dispatch({ goal: 'b', sessionKey: 'agent:x', runner: polite })
    await delegator.dispatch({ goal: 'refused', runner: polite })
    expect(
      lines.map(({ level, delegation_id, session, goal }) => ({ level, delegation_id, session, goal })),
    ).toEqual([
      { level: 30, delegation_id: idOf(first), session: '<cli>', goal: 'g'.repeat(80) },
      { level: 30, delegation_id: idOf(second), session: 'agent:x', goal: 'b' },
    ])
  })
})

describe('admission: whose it is (R20)', () => {
  const sessionOf = async (key: string | undefined, explicit?: string): Promise<string> => {
    const delegator = await open()
    const dispatch = () =>
      delegator.dispatch({
        goal: 'a',
        runner: polite,
        ...(explicit !== undefined && { sessionKey: explicit }),
      })
    const outcome = await (key === undefined ? dispatch() : withSession(key, dispatch))
    return (await delegator.get(idOf(outcome))).session_key
  }

  it('R20: the session of withSession is captured', async () => {
    expect(await sessionOf('agent:main:telegram:dm:7')).toBe('agent:main:telegram:dm:7')
  })

  it('R20: it is captured across awaits, and not where the dispatch is awaited', async () => {
    const delegator = await open()
    const outcome = await withSession('agent:a', async () => {
      await new Promise((resolve) => setImmediate(resolve))
      return delegator.dispatch({ goal: 'a', runner: polite })
    })
    expect((await delegator.get(idOf(outcome))).session_key).toBe('agent:a')
  })

  it('R20: an explicit key wins, even an empty one', async () => {
    expect(await sessionOf('agent:a', 'agent:b')).toBe('agent:b')
    expect(await sessionOf('agent:a', '')).toBe('')
  })

  it('R20: outside of any session it is the empty key', async () => {
    expect(await sessionOf(undefined)).toBe('')
  })
})

describe('admission: what cannot be handed over (R18)', () => {
  const broken: Executor = {
    run() {
      throw new Error('no thread to be had')
    },
    close: () => Promise.resolve(),
  }

  it("R18: the text is the seed's, nothing is left, and the slot is free again", async () => {
    const delegator = await open({ maxUnits: 1, executor: broken })
    const told = completionsOf(delegator)
    const children: unknown[] = []
    delegator.events.on('child', (child) => void children.push(child))
    const runner = fixture('default')
    expect(await delegator.dispatch({ goal: 'a', runner })).toEqual({
      status: 'rejected',
      error: 'Failed to schedule async delegation: no thread to be had',
    })
    expect(await delegator.dispatchBatch({ goals: ['a', 'b'], runner })).toEqual({
      status: 'rejected',
      error: 'Failed to schedule async delegation batch: no thread to be had',
    })
    expect(await delegator.list()).toEqual([])
    expect(delegator.activeCount()).toBe(0)
    expect(await delegator.capacity()).toMatchObject({ inUse: 0, free: 1, holders: [] })
    const after = await delegator.dispatch({ goal: 'b', runner: quick })
    await delegator.wait(idOf(after))
    expect(told.map(({ goal }) => goal)).toEqual(['b'])
    expect(children).toHaveLength(2)
    expect(await delegator.completions.claim({ all: true })).toHaveLength(1)
  })

  it('R18: its idempotency key and its threads are free again, too', async () => {
    let isBroken = true
    const ledger = memoryLedger
    const ends: (() => void)[] = []
    const executor: Executor = {
      run(_job, observer) {
        if (isBroken) throw new Error('not yet')
        ends.push(() => observer.onEnd({ kind: 'returned', result: {} }))
        return {
          interrupt: () => ends.pop()?.(),
          terminate: () => true,
          tell: () => undefined,
          heartbeat: async () => true,
        }
      },
      close: () => Promise.resolve(),
    }
    const delegator = await open({ maxUnits: 1, maxThreads: 1, ledger, executor })
    const call = { goal: 'a', idempotencyKey: 'k', runner: fixture('default') }
    refused(await delegator.dispatch(call))
    isBroken = false
    expect(idOf(await delegator.dispatch(call))).toMatch(/^deleg_/)
  })

  it('R10: a later child of a batch that cannot be handed over fails alone', async () => {
    const runs: number[] = []
    const executor: Executor = {
      run({ task }, observer) {
        if (task.taskIndex === 1) throw new Error('no second thread')
        runs.push(task.taskIndex)
        queueMicrotask(() => observer.onEnd({ kind: 'returned', result: { summary: 'fine' } }))
        return {
          interrupt: () => undefined,
          terminate: () => true,
          tell: () => undefined,
          heartbeat: async () => true,
        }
      },
      close: () => Promise.resolve(),
    }
    const delegator = await open({ executor })
    const batch = await delegator.dispatchBatch({ goals: ['a', 'b', 'c'], runner: fixture('default') })
    const event = await delegator.wait(idOf(batch))
    expect(event).toMatchObject({
      status: 'completed',
      results: [
        { task_index: 0, status: 'completed' },
        { task_index: 1, status: 'error', error: 'Error: no second thread' },
        { task_index: 2, status: 'completed' },
      ],
    })
    expect(runs).toEqual([0, 2])
  })
})

describe('queries', () => {
  it('R39: activeCount counts units that run, single and batch alike, and no others', async () => {
    const delegator = await open()
    expect(delegator.activeCount()).toBe(0)
    const first = await delegator.dispatch({ goal: 'a', runner: polite })
    await delegator.dispatchBatch({ goals: ['b', 'c'], runner: polite })
    expect(delegator.activeCount()).toBe(2)
    await delegator.interrupt(idOf(first))
    await delegator.wait(idOf(first))
    expect(delegator.activeCount()).toBe(1)
  })

  it('R40: list shows running and recent units, newest first, as plain data', async () => {
    const { delegator } = await openWithLedger()
    const first = await delegator.dispatch({ goal: 'a', runner: quick })
    await delegator.wait(idOf(first))
    const running = childRuns(delegator)
    const second = await delegator.dispatch({ goal: 'b', runner: fixture('polite'), sessionKey: 's' })
    await running
    const list = await delegator.list()
    expect(JSON.parse(JSON.stringify(list))).toEqual(list)
    expect(
      list.map(({ delegation_id, status, delivery_state }) => ({ delegation_id, status, delivery_state })),
    ).toEqual([
      { delegation_id: idOf(second), status: 'running', delivery_state: null },
      { delegation_id: idOf(first), status: 'completed', delivery_state: 'pending' },
    ])
    expect(list[0]).toMatchObject({
      owner_pid: process.pid,
      session_key: 's',
      completed_at: null,
      children: [{ task_index: 0, goal: 'b', state: 'running' }],
    })
    expect(list[1]?.children).toEqual([{ task_index: 0, goal: 'a', state: 'completed' }])
    expect(list[1]?.completed_at).toBeGreaterThanOrEqual(list[1]?.dispatched_at ?? Infinity)
  })
})
