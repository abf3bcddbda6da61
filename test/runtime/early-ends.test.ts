import { describe, expect, it } from 'vitest'
import { formatCompletion, renderTurn, type AsyncDelegationEvent, type Runner } from '../../src/index.js'
import { gate, idOf, open, polite, quick } from './support.js'

const sessionKey = 'agent:main:cli:dm:local'
const fails: Runner = () => ({ status: 'failed', error: 'the disk is gone\nfor good' })

const eventIds = (completions: readonly { readonly event: AsyncDelegationEvent }[]): unknown[] =>
  completions.map(({ event }) => event.event_id)

describe('earlyFailureNotice', () => {
  it('tells of a child that failed while others run, as an event of its own; the final one comes as ever', async () => {
    const delegator = await open()
    const go = gate()
    const waits: Runner = async () => {
      await go.promise
      return { summary: 'at last' }
    }
    const tasks = [
      { goal: 'fails', runner: fails },
      { goal: 'waits', runner: waits },
    ]
    const id = idOf(await delegator.dispatchBatch({ tasks, sessionKey, earlyFailureNotice: true }))
    const follower = delegator.completions.follow({ sessionKey })
    const { value: notice } = await follower.next()
    expect(notice?.event).toMatchObject({
      delegation_id: id,
      event_id: `${id}:task-failure:0`,
      status: 'running',
      is_batch: true,
      task_failure_notice: true,
      n_tasks: 2,
      results: [{ task_index: 0, status: 'failed' }],
    })
    await notice?.ack()
    go.open()
    const { value: final } = await follower.next()
    expect(final?.event).toMatchObject({ event_id: id, status: 'completed' })
    expect((final?.event as { results?: unknown[] }).results).toHaveLength(2)
    await final?.ack()
    await follower.return()
  })

  it('is not told unless it was asked for, nor of a single child, a last child, or one that was stopped', async () => {
    const delegator = await open()
    const tasks = [
      { goal: 'fails', runner: fails },
      { goal: 'stopped', runner: polite },
    ]
    const plain = idOf(await delegator.dispatchBatch({ tasks, sessionKey }))
    await delegator.interrupt(plain)
    const stopped = [
      { goal: 'stopped', runner: polite },
      { goal: 'stopped, too', runner: polite },
    ]
    const asked = idOf(
      await delegator.dispatchBatch({ tasks: stopped, sessionKey, earlyFailureNotice: true }),
    )
    await delegator.interrupt(asked)
    const one = { goals: ['fails'], runner: fails, sessionKey, earlyFailureNotice: true }
    const single = idOf(await delegator.dispatchBatch(one))
    await Promise.all([plain, asked, single].map((id) => delegator.wait(id)))
    expect(eventIds(await delegator.completions.claim({ sessionKey })).sort()).toEqual(
      [plain, asked, single].sort(),
    )
  })
})

describe('completionPolicy', () => {
  it('each: every child is told when it ended, and the whole when all have', async () => {
    const delegator = await open()
    const call = {
      goals: ['one', 'two', 'three'],
      runner: quick,
      sessionKey,
      completionPolicy: 'each',
    } as const
    const id = idOf(await delegator.dispatchBatch(call))
    await delegator.wait(id)
    const ids = eventIds(await delegator.completions.claim({ sessionKey }))
    expect(ids).toEqual([`${id}:task-result:0`, `${id}:task-result:1`, id])
  })

  it('first: the first success ends the unit, a failure does not; the others are interrupted', async () => {
    const delegator = await open()
    const tasks = [
      { goal: 'fails', runner: fails },
      { goal: 'waits', runner: polite },
      { goal: 'wins', runner: quick },
    ]
    const id = idOf(await delegator.dispatchBatch({ tasks, completionPolicy: 'first' }))
    expect(await delegator.wait(id)).toMatchObject({
      status: 'completed',
      results: [
        { status: 'failed' },
        { status: 'interrupted', summary: 'half of waits' },
        { status: 'completed', summary: 'did wins' },
      ],
    })
  })

  it('any other word is OPTION_INVALID, and names the known ones', async () => {
    const delegator = await open()
    const call = { goals: ['x'], runner: quick, completionPolicy: 'some' as 'all' }
    await expect(delegator.dispatchBatch(call)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(delegator.dispatchBatch(call)).rejects.toThrow('all or each or first')
  })
})

describe('the text of a notice', () => {
  const event = {
    type: 'async_delegation',
    delegation_id: 'deleg_1',
    event_id: 'deleg_1:task-failure:1',
    goals: ['one', 'two', 'three'],
    is_batch: true,
    status: 'running',
    task_failure_notice: true,
    n_tasks: 3,
    results: [{ task_index: 1, status: 'failed', error: 'no [/child abcdefgh] room', duration_seconds: 2 }],
  } as const

  it('says that the others still run', () => {
    const text = formatCompletion(event)
    expect(text).toMatch(/^\[ASYNC DELEGATION TASK FAILED — deleg_1, task 2\/3\]\n/)
    expect(text).toContain('the others still run')
    expect(text).toContain('--- ✗ TASK 2/3: two  (status=failed, 2s) ---')
  })

  it('P10: fences the words of the child', () => {
    const text = renderTurn([event], { nonce: 'abcdefgh' })
    expect(text).toMatch(/^\[ASYNC DELEGATION TASK FAILED — deleg_1, task 2\/3\]\n/)
    expect(text.match(/\[\/child abcdefgh\]/g)).toHaveLength(1)
  })
})
