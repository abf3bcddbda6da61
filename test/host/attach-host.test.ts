import { describe, expect, it } from 'vitest'
import { withSession, type Runner } from '../../src/index.js'
import { gate, idOf, open, polite, quick } from '../runtime/support.js'
import { attach, finished } from './support.js'

describe('attachHost: when (R4, P8)', () => {
  it('P8: a completion becomes a turn of an idle host, whose text is the fenced block', async () => {
    const delegator = await open()
    const test = attach(delegator)
    const id = await finished(delegator, 'look around')
    await test.until(1)
    expect(test.turns[0]?.goals).toEqual(['look around'])
    expect(test.turns[0]?.text).toContain(id)
    expect(test.turns[0]?.text).toContain('did look around')
  })

  it('R4: while the host is busy nothing is started; when it is idle, what waits is', async () => {
    const delegator = await open()
    const test = attach(delegator, { isBusy: true })
    const looked = gate()
    let looks = 0
    const watching = attach(delegator, {
      sessionKey: 'other',
      isIdle: () => {
        looks += 1
        if (looks === 3) looked.open()
        return false
      },
    })
    await finished(delegator, 'a')
    await finished(delegator, 'b', { sessionKey: 'other' })
    await looked.promise
    expect(test.turns).toEqual([])
    expect(watching.turns).toEqual([])
    test.isBusy = false
    test.host.idle()
    await test.until(1)
    expect(test.turns[0]?.goals).toEqual(['a'])
  })

  it('R4: one turn at a time: the next starts when the last was accepted', async () => {
    const delegator = await open()
    const accepted = gate<'started'>()
    const begun = gate()
    const test = attach(delegator, {
      coalesce: false,
      take: (_turn, count) => {
        if (count > 1) return 'started'
        begun.open()
        return accepted.promise
      },
    })
    await finished(delegator, 'a')
    await begun.promise
    await finished(delegator, 'b')
    await finished(delegator, 'c')
    expect(test.turns).toHaveLength(1)
    accepted.open('started')
    await test.until(3)
    expect(test.turns.map(({ goals }) => goals)).toEqual([['a'], ['b'], ['c']])
  })

  it('P8: idleness is looked at again before each turn', async () => {
    const delegator = await open()
    const test = attach(delegator, {
      coalesce: false,
      isBusy: true,
      take: () => {
        test.isBusy = true
        return 'started'
      },
    })
    for (const goal of ['a', 'b', 'c']) await finished(delegator, goal)
    for (const count of [1, 2, 3]) {
      test.isBusy = false
      test.host.idle()
      await test.until(count)
      expect(test.turns).toHaveLength(count)
      expect(test.isBusy).toBe(true)
    }
  })

  it('R4: a busy host is asked a few times a second, and not in a loop', async () => {
    const delegator = await open()
    let asked = 0
    attach(delegator, {
      isIdle: () => {
        asked += 1
        return false
      },
    })
    await finished(delegator, 'a')
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(asked).toBeGreaterThan(0)
    expect(asked).toBeLessThan(10)
  })

  it('P8: an isIdle that throws counts as busy, and is asked again', async () => {
    const delegator = await open()
    let asked = 0
    const test = attach(delegator, {
      isIdle: () => {
        asked += 1
        if (asked < 3) throw new Error('the host is confused')
        return true
      },
    })
    await finished(delegator, 'a')
    await test.until(1)
    expect(asked).toBeGreaterThanOrEqual(3)
  })
})

describe('attachHost: what (P8)', () => {
  const fails: Runner = () => {
    throw new Error('it broke')
  }

  it('P8: what waits together becomes one turn, failures first', async () => {
    const delegator = await open({ maxUnits: 9 })
    const test = attach(delegator, { isBusy: true })
    await finished(delegator, 'good 1')
    await finished(delegator, 'good 2')
    await finished(delegator, 'bad', { runner: fails })
    await finished(delegator, 'good 3')
    test.isBusy = false
    test.host.idle()
    await test.until(1)
    expect(test.turns.map(({ goals }) => goals)).toEqual([['bad', 'good 1', 'good 2', 'good 3']])
    for (const goal of ['good 1', 'good 2', 'bad', 'good 3']) expect(test.turns[0]?.text).toContain(goal)
  })

  it('P8: completions of different sessions never share a turn', async () => {
    const delegator = await open({ maxUnits: 9 })
    for (const [goal, sessionKey] of [
      ['a1', 'a'],
      ['b1', 'b'],
      ['a2', 'a'],
    ])
      await finished(delegator, goal!, { sessionKey })
    const test = attach(delegator)
    await test.until(2)
    expect(test.turns.map(({ goals }) => goals)).toEqual([['a1', 'a2'], ['b1']])
  })

  it("P8: with a session key only that session's are delivered, and others are left", async () => {
    const delegator = await open()
    await finished(delegator, 'mine', { sessionKey: 'mine' })
    await finished(delegator, 'theirs', { sessionKey: 'theirs' })
    const test = attach(delegator, { sessionKey: 'mine' })
    await test.until(1)
    await test.host.detach()
    expect(test.turns.map(({ goals }) => goals)).toEqual([['mine']])
    expect(await delegator.completions.claim({ sessionKey: 'theirs' })).toHaveLength(1)
  })

  it('R20: the turn starts inside the session of its events: what it dispatches belongs there', async () => {
    const delegator = await open({ maxUnits: 9 })
    const followUps: Promise<string>[] = []
    const test = attach(delegator, {
      take: async ({ goals }): Promise<'started'> => {
        if (!goals[0]?.startsWith('follow up')) {
          followUps.push(delegator.dispatch({ goal: `follow up ${goals[0]}`, runner: polite }).then(idOf))
        }
        return 'started'
      },
    })
    await withSession('outer', () => finished(delegator, 'a', { sessionKey: 'inner' }))
    await finished(delegator, 'b')
    await test.until(2)
    const sessions = (await Promise.all(followUps)).map(async (id) => (await delegator.get(id)).session_key)
    expect(await Promise.all(sessions)).toEqual(['inner', ''])
  })

  it('P8: a turn that dispatches is followed by the turn of what it dispatched', async () => {
    const delegator = await open()
    const test = attach(delegator, {
      take: async (_turn, count): Promise<'started'> => {
        if (count < 3) await delegator.dispatch({ goal: `turn ${count}`, runner: quick })
        return 'started'
      },
    })
    await finished(delegator, 'first')
    await test.until(3)
    expect(test.turns.map(({ goals }) => goals)).toEqual([['first'], ['turn 1'], ['turn 2']])
  })

  it('P10: a turn has a bound; what does not fit is the next one, and nothing is lost', async () => {
    const delegator = await open({ maxUnits: 9 })
    const test = attach(delegator, { isBusy: true, maxTurnCharacters: 20_000 })
    const runner = () => ({ summary: 'x'.repeat(9_000) })
    const goals = ['a', 'b', 'c', 'd', 'e']
    for (const goal of goals) await delegator.wait(idOf(await delegator.dispatch({ goal, runner })))
    test.isBusy = false
    test.host.idle()
    await test.until(3)
    expect(test.turns.map((turn) => turn.goals.length)).toEqual([2, 2, 1])
    expect(test.turns.flatMap((turn) => turn.goals).sort()).toEqual(goals)
    for (const { text } of test.turns) expect(text.length).toBeLessThan(21_000)
  })
})
