import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import type { Runner } from '../../src/index.js'
import { ledgerPath, openOn, startHost } from './host-on-ledger.js'
import { gate, idOf, open, polite, quick, temporaryFolder } from './support.js'

const counts: Runner = (task, ctx) => {
  const before = (ctx.resumeFrom as { readonly at: number } | null)?.at ?? 0
  ctx.log(`at ${before}`)
  ctx.checkpoint({ at: before + 1 })
  return { summary: `${task.goal} at ${before + 1}` }
}

describe('continueFrom', () => {
  it('hands over the last checkpoint, the summary and the end of the transcript', async () => {
    const seen: unknown[] = []
    const delegator = await open({ transcripts: { folder: temporaryFolder() } })
    const runner: Runner = (task, ctx) => {
      seen.push(task.continued, ctx.resumeFrom)
      return counts(task, ctx)
    }
    const first = idOf(await delegator.dispatch({ goal: 'count', runner }))
    await delegator.wait(first)
    // A plain function's lines are written in the background.
    const path = (await delegator.get(first)).live_transcripts?.['0'] ?? ''
    await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toContain('at 0'))
    const second = idOf(await delegator.dispatch({ goal: 'count on', runner, continueFrom: first }))
    expect(await delegator.wait(second)).toMatchObject({ summary: 'count on at 2' })
    const [noneBefore, noCheckpoint, continued, checkpoint] = seen
    expect([noneBefore, noCheckpoint]).toEqual([undefined, null])
    expect(continued).toEqual({
      delegation_id: first,
      task_index: 0,
      goal: 'count',
      status: 'completed',
      summary: 'count at 1',
      transcript_tail: expect.stringContaining('log | at 0') as string,
    })
    expect(checkpoint).toEqual({ at: 1 })
    expect((await delegator.get(second)).continues).toEqual({ delegation_id: first, task_index: 0 })
    expect(await delegator.get(first)).not.toHaveProperty('continues')
  })

  it('of a batch goes on from the child that is named, and from none without a name', async () => {
    const delegator = await open()
    const batch = idOf(await delegator.dispatchBatch({ goals: ['a', 'b'], runner: counts }))
    await delegator.wait(batch)
    let seen: unknown = null
    const runner: Runner = (task) => void (seen = task.continued)
    const call = { goal: 'c', runner }
    await expect(delegator.dispatch({ ...call, continueFrom: batch })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      detail: { children: 2, expected: 'a taskIndex with it' },
    })
    await delegator.wait(
      idOf(await delegator.dispatch({ ...call, continueFrom: { id: batch, taskIndex: 1 } })),
    )
    expect(seen).toMatchObject({ delegation_id: batch, task_index: 1, goal: 'b', summary: 'b at 1' })
  })

  it('a child that is live is refused by name, and nothing is admitted', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'x', runner: polite }))
    const going = delegator.dispatch({ goal: 'y', runner: quick, continueFrom: id })
    await expect(going).rejects.toMatchObject({ code: 'DELEGATION_LIVE', detail: { id, status: 'running' } })
    expect(await delegator.list()).toHaveLength(1)
    expect(delegator.activeCount()).toBe(1)
  })

  it('so is one that has ended, but of which something still runs', async () => {
    const delegator = await open()
    const hold = gate()
    const id = idOf(
      await delegator.dispatch({ goal: 'x', runner: async () => hold.promise.then(() => ({})) }),
    )
    await delegator.interrupt(id, { graceMs: 0 })
    await delegator.wait(id)
    const call = { goal: 'y', runner: quick, continueFrom: id }
    await expect(delegator.dispatch(call)).rejects.toMatchObject({ code: 'DELEGATION_LIVE' })
    hold.open()
    await new Promise((resolve) => setImmediate(resolve))
    expect((await delegator.dispatch(call)).status).toBe('dispatched')
  })

  it.each([
    ['deleg_never', 'UNKNOWN_DELEGATION'],
    [7, 'OPTION_INVALID'],
    [null, 'OPTION_INVALID'],
    [{ taskIndex: 0 }, 'OPTION_INVALID'],
  ])('%o is refused as %s', async (continueFrom, code) => {
    const delegator = await open()
    const call = { goal: 'y', runner: quick, continueFrom: continueFrom as string }
    await expect(delegator.dispatch(call)).rejects.toMatchObject({ code })
    await expect(delegator.dispatchBatch({ goals: ['y'], ...call })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    })
    expect(await delegator.list()).toEqual([])
  })

  it('a child that there is not is refused', async () => {
    const delegator = await open()
    const id = idOf(await delegator.dispatch({ goal: 'x', runner: quick }))
    await delegator.wait(id)
    const call = { goal: 'y', runner: quick, continueFrom: { id, taskIndex: 1 } }
    await expect(delegator.dispatch(call)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })

  it('has a bound, however much the earlier child said', async () => {
    const delegator = await open({ maxSummaryCharacters: 0, maxUnitSummaryCharacters: 0 })
    const talks: Runner = () => ({ summary: 's'.repeat(100_000) })
    const id = idOf(await delegator.dispatch({ goal: 'x', runner: talks }))
    await delegator.wait(id)
    let summary: string | null | undefined
    const runner: Runner = (task) => void (summary = task.continued?.summary)
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'y', runner, continueFrom: id })))
    expect(summary).toHaveLength(16_000)
  })

  it('one idempotency key is one continuation; from another child it is other work', async () => {
    const delegator = await open()
    const ids: string[] = []
    for (const goal of ['a', 'b']) {
      ids.push(idOf(await delegator.dispatch({ goal, runner: quick })))
      await delegator.wait(ids.at(-1)!)
    }
    const call = { goal: 'y', runner: quick, idempotencyKey: 'k' }
    const first = idOf(await delegator.dispatch({ ...call, continueFrom: ids[0]! }))
    await delegator.wait(first)
    expect(idOf(await delegator.dispatch({ ...call, continueFrom: ids[0]! }))).toBe(first)
    expect(await delegator.dispatch({ ...call, continueFrom: ids[1]! })).toMatchObject({
      refusal: { code: 'KEY_REUSED' },
    })
    expect(await delegator.dispatch(call)).toMatchObject({ refusal: { code: 'KEY_REUSED' } })
  })

  it('P5: goes on from a child whose process died, with what that had kept', async () => {
    const path = ledgerPath()
    const host = startHost(path, { goal: 'wait' })
    const { delegationId: id } = await host.said<{ readonly delegationId: string }>('handle')
    await host.kill()
    const here = await openOn(path)
    expect((await here.wait(id)).status).toBe('unknown')
    let continued: unknown = null
    const runner: Runner = (task) => void (continued = task.continued)
    await here.wait(idOf(await here.dispatch({ goal: 'go on', runner, continueFrom: id })))
    expect(continued).toMatchObject({ delegation_id: id, goal: 'wait', status: 'unknown', summary: null })
  })
})
