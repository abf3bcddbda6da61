import { describe, expect, it, vi } from 'vitest'
import { memoryLedger, type Ledger } from '../../src/index.js'
import { gate, idOf, open, quick } from '../runtime/support.js'
import { attach, finished } from './support.js'

const mine = 'agent:main:telegram:dm:12345:678'
const other = 'agent:main:telegram:dm:99999:678'

describe('attachHost: a predicate says whose (P8)', () => {
  it('P8: only what it says yes to becomes a turn; one that throws says no', async () => {
    const delegator = await open()
    await finished(delegator, 'mine', { sessionKey: mine })
    await finished(delegator, 'other', { sessionKey: other })
    await finished(delegator, 'broken', { sessionKey: 'agent:main:telegram:dm:1:1' })
    const host = attach(delegator, {
      owns({ goal, session_key }) {
        if (goal === 'broken') throw new Error('no idea')
        return session_key === mine
      },
    })
    await host.until(1)
    await finished(delegator, 'mine again', { sessionKey: mine })
    await host.until(2)
    expect(host.turns.flatMap(({ goals }) => goals)).toEqual(['mine', 'mine again'])
    const left = await delegator.completions.read({ all: true, states: ['pending'] })
    expect(left.map(({ event }) => event.goal)).toEqual(['other', 'broken'])
  })

  it('P8: finds its own behind more of others than fit a page', async () => {
    const delegator = await open({ maxUnits: 1_000, maxThreads: 1 })
    const ids = await Promise.all(
      Array.from({ length: 450 }, (_, index) =>
        delegator.dispatch({ goal: `g${index}`, runner: quick, sessionKey: index === 449 ? mine : other }),
      ),
    )
    await Promise.all(ids.map((handle) => delegator.wait(idOf(handle))))
    const host = attach(delegator, { owns: ({ session_key }) => session_key === mine })
    await host.until(1)
    expect(host.turns[0]?.goals).toEqual(['g449'])
  })

  it('a unit that is there to be collected is asked about by nobody', async () => {
    const delegator = await open()
    const asked: string[] = []
    const host = attach(delegator, {
      owns({ goal }) {
        asked.push(goal)
        return true
      },
    })
    const id = await finished(delegator, 'pulled', { delivery: 'collect' })
    await finished(delegator, 'told')
    await host.until(1)
    expect(host.turns[0]?.goals).toEqual(['told'])
    expect(asked).not.toContain('pulled')
    expect((await delegator.wait(id, { collect: true })).goal).toBe('pulled')
  })
})

it('P3: a claim does not run out while its turn takes long to start', async () => {
  let ledger: Ledger | null = null
  const delegator = await open({ ledger: (given) => (ledger = memoryLedger(given)) })
  const accepted = gate<'started'>()
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const host = attach(delegator, { take: () => accepted.promise })
    await finished(delegator, 'slow')
    await vi.waitFor(() => expect(host.turns).toHaveLength(1))
    const resolve = vi.spyOn(ledger!, 'resolve')
    await vi.advanceTimersByTimeAsync(130_000)
    expect(resolve.mock.calls.map(([, verdict]) => verdict.kind)).toEqual(['renew', 'renew'])
    accepted.open('started')
    await host.until(1)
    await vi.advanceTimersByTimeAsync(130_000)
    expect(resolve.mock.calls.map(([, verdict]) => verdict.kind)).toEqual(['renew', 'renew', 'ack'])
  } finally {
    vi.useRealTimers()
  }
})
