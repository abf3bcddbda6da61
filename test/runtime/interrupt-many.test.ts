import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sqliteLedger } from '../../src/index.js'
import { idOf, open, polite, quick, temporaryFolder } from './support.js'

const zeros = { signalled: 0, stopped: 0, escalated: 0, unreachable: 0, units: 0 }

describe('interruptForSession (spec 2.11)', () => {
  const dispatchFour = async () => {
    const delegator = await open({ maxUnits: 9 })
    const dispatch = async (route: Record<string, string>) =>
      idOf(await delegator.dispatch({ goal: 'a', runner: polite, ...route }))
    const ids = {
      bySession: await dispatch({ sessionKey: 's' }),
      byWindow: await dispatch({ originUiSessionId: 'w' }),
      byParent: await dispatch({ parentSessionId: 'p' }),
      byNone: await dispatch({}),
    }
    const interrupted = async () =>
      (await delegator.list())
        .filter(({ status }) => status !== 'running')
        .map(({ delegation_id }) => delegation_id)
    return { delegator, ids, interrupted }
  }

  it('R41: any selector that matches counts', async () => {
    const { delegator, ids, interrupted } = await dispatchFour()
    const report = await delegator.interruptForSession({
      sessionKey: 's',
      originUiSessionId: 'w',
      parentSessionId: 'x',
    })
    expect(report).toEqual({ ...zeros, signalled: 2, stopped: 2, units: 2 })
    await Promise.all([delegator.wait(ids.bySession), delegator.wait(ids.byWindow)])
    expect((await interrupted()).sort()).toEqual([ids.bySession, ids.byWindow].sort())
  })

  it('R41: by ids, and by none of them', async () => {
    const { delegator, ids, interrupted } = await dispatchFour()
    expect(await delegator.interruptForSession({ ids: [] })).toEqual(zeros)
    const report = await delegator.interruptForSession({ ids: [ids.byNone, ids.byWindow, ids.byNone] })
    expect(report).toEqual({ ...zeros, signalled: 2, stopped: 2, units: 2 })
    await Promise.all([delegator.wait(ids.byNone), delegator.wait(ids.byWindow)])
    expect((await interrupted()).sort()).toEqual([ids.byNone, ids.byWindow].sort())
  })

  it('P6: two that stop a unit of another program at once both hear how it went', async () => {
    const path = join(temporaryFolder(), 'ledger.db')
    const owner = await open({ ledger: sqliteLedger(path) })
    const id = idOf(await owner.dispatch({ goal: 'a', runner: polite }))
    const others = [await open({ ledger: sqliteLedger(path) }), await open({ ledger: sqliteLedger(path) })]
    const reports = await Promise.all(others.map((other) => other.interrupt(id)))
    const report = { ...zeros, signalled: 1, stopped: 1, units: 1 }
    expect(reports).toEqual([report, report])
  })

  it('R41: by the parent session alone', async () => {
    const { delegator, ids } = await dispatchFour()
    expect(await delegator.interruptForSession({ parentSessionId: 'p' })).toMatchObject({ units: 1 })
    expect((await delegator.wait(ids.byParent)).status).toBe('interrupted')
  })

  it('R41: no selector, or an empty one, stops nothing: not what has an empty key, either', async () => {
    const { delegator, interrupted } = await dispatchFour()
    expect(await delegator.interruptForSession({})).toEqual(zeros)
    const empty = { sessionKey: '', originUiSessionId: '', parentSessionId: '' }
    expect(await delegator.interruptForSession(empty)).toEqual(zeros)
    expect(await delegator.interruptForSession({ sessionKey: 'stranger' })).toEqual(zeros)
    expect(await interrupted()).toEqual([])
  })
})

describe('interruptAll', () => {
  it('R41: stops all that run, single and batch, and counts children and units', async () => {
    const delegator = await open({ maxUnits: 9 })
    const single = idOf(await delegator.dispatch({ goal: 'a', sessionKey: 's', runner: polite }))
    const batch = idOf(await delegator.dispatchBatch({ goals: ['b', 'c'], runner: polite }))
    await delegator.wait(idOf(await delegator.dispatch({ goal: 'done', runner: quick })))
    expect(await delegator.interruptAll('shutdown')).toEqual({ ...zeros, signalled: 3, stopped: 3, units: 2 })
    expect((await delegator.wait(single)).status).toBe('interrupted')
    expect((await delegator.wait(batch)).status).toBe('error')
  })

  it('R41: nothing runs: zeros', async () => {
    const delegator = await open()
    expect(await delegator.interruptAll()).toEqual(zeros)
  })
})
