import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { memoryLedger, sqliteLedger, type Delegator } from '../../src/index.js'
import { codeOf, idOf, manualClock, open, quick, temporaryFolder } from './support.js'

const ledgers = {
  memory: () => memoryLedger,
  sqlite: () => sqliteLedger(join(temporaryFolder(), 'ledger.db')),
}

const hostEvent = { type: 'process_exit', session_key: 'chat', code: 3 }

describe.each(Object.entries(ledgers))('%s: completions without a claim', (_kind, ledger) => {
  async function withEvents(...goals: string[]): Promise<Delegator> {
    const delegator = await open({ maxUnits: 100, ledger: ledger() })
    for (const goal of goals)
      await delegator.wait(idOf(await delegator.dispatch({ goal, sessionKey: 'chat', runner: quick })))
    return delegator
  }

  it('reading them takes them from nobody, and shows how far each is', async () => {
    const { completions } = await withEvents('a', 'b')
    const [first] = await completions.claim({ sessionKey: 'chat', limit: 1 })
    await first?.ack()
    const read = await completions.read({ sessionKey: 'chat' })
    expect(read).toMatchObject([
      { event_id: first?.event.event_id, state: 'delivered', attempts: 0, event: { goal: 'a' } },
      { state: 'pending', attempts: 0, reason: null, event: { goal: 'b' } },
    ])
    expect(read.map(({ event }) => event.seq)).toEqual(read.map(({ seq }) => seq))
    expect(await completions.claim({ sessionKey: 'chat' })).toHaveLength(1)
  })

  it('who starts late reads all from a seq on, in pages', async () => {
    const { completions } = await withEvents('a', 'b', 'c')
    const [first] = await completions.read({ all: true, limit: 1 })
    const later = await completions.read({ all: true, afterSeq: first?.seq ?? 0 })
    expect(later.map(({ event }) => event.goal)).toEqual(['b', 'c'])
    expect(await completions.read({ all: true, afterSeq: later.at(-1)?.seq ?? 0 })).toEqual([])
    expect(await completions.read({ all: true, states: ['dead'] })).toEqual([])
    expect(await completions.read({ sessionKey: 'another' })).toEqual([])
  })

  it('R3: an event of the host goes the same way as any other', async () => {
    const { completions } = await withEvents('a')
    const { event_id, seq } = await completions.publish(hostEvent)
    expect(event_id).toMatch(/^event_[0-9a-f]{20}$/)
    const claimed = await completions.claim({ sessionKey: 'chat' })
    expect(claimed.map(({ event }) => event.type)).toEqual(['async_delegation', 'process_exit'])
    expect(claimed[1]?.event).toMatchObject({ ...hostEvent, event_id, seq })
    expect(await claimed[1]?.ack()).toBe(true)
    expect(await completions.claim({ sessionKey: 'chat' })).toEqual([])
  })

  it('R3: one that is there to be collected goes to who claims it by its id alone', async () => {
    const { completions } = await withEvents()
    await completions.publish({ ...hostEvent, event_id: 'mine' }, { delivery: 'collect' })
    expect(await completions.claim({ all: true })).toEqual([])
    expect((await completions.read({ sessionKey: 'chat' })).map(({ event_id }) => event_id)).toEqual(['mine'])
    const [claimed] = await completions.claim({ ids: ['mine'] })
    expect(await claimed?.ack()).toBe(true)
    expect(await completions.read({ all: true })).toEqual([])
    const wrong = completions.publish({ ...hostEvent }, { delivery: 'none' as never })
    expect(await codeOf(wrong)).toBe('OPTION_INVALID')
  })

  it('R3: an id that is there already, or is kept for units, is refused', async () => {
    const { completions } = await withEvents()
    expect(await completions.publish({ ...hostEvent, event_id: 'mine' })).toMatchObject({ event_id: 'mine' })
    expect(await codeOf(completions.publish({ ...hostEvent, event_id: 'mine' }))).toBe('LEDGER_DUPLICATE')
    expect(await codeOf(completions.publish({ ...hostEvent, event_id: 'deleg_1' }))).toBe('EVENT_INVALID')
  })

  it.each([
    ['no object', 'text'],
    ['no type', { session_key: 'chat' }],
    ['an empty type', { type: '', session_key: 'chat' }],
    ['no session', { type: 'x' }],
    ['a session that is a number', { type: 'x', session_key: 3 }],
    ['an id that is none', { type: 'x', session_key: '', event_id: {} }],
    ['a proof that is none', { type: 'x', session_key: '', parent_session_id: 3 }],
    ['what is no plain data', { type: 'x', session_key: '', run: () => 1 }],
  ])('R3: an event with %s is EVENT_INVALID', async (_what, event) => {
    const { completions } = await withEvents()
    expect(await codeOf(completions.publish(event as never))).toBe('EVENT_INVALID')
  })

  it('what is dead is retried with fresh attempts, or dismissed; the rest is left as it is', async () => {
    const { completions } = await withEvents('a', 'b', 'c')
    const claimed = await completions.claim({ sessionKey: 'chat' })
    await claimed[0]?.drop('gone')
    await claimed[1]?.drop('gone')
    const ids = claimed.map(({ event }) => event.event_id ?? '')
    expect(await completions.retry([ids[0]!, ids[2]!, 'unknown'])).toEqual([true, false, false])
    expect(await completions.dismiss([ids[1]!, ids[2]!])).toEqual([true, false])
    expect((await completions.read({ all: true })).map(({ state }) => state)).toEqual([
      'pending',
      'dismissed',
      'claimed',
    ])
    expect((await completions.claim({ sessionKey: 'chat' })).map(({ event }) => event.goal)).toEqual(['a'])
  })

  it('P3: what failed too often is dead, with the reason, and can be retried', async () => {
    const clock = manualClock()
    const delegator = await open({ clock, ledger: ledger() })
    const { completions } = delegator
    await completions.publish({ ...hostEvent, event_id: 'mine' })
    for (let attempt = 1; attempt <= 8; attempt++) {
      const [claimed] = await completions.claim({ sessionKey: 'chat' })
      await claimed?.release('the chat is down')
      clock.advance(3_600_000)
    }
    const [dead] = await completions.read({ states: ['dead'] })
    expect(dead).toMatchObject({ event_id: 'mine', attempts: 8, reason: 'the chat is down' })
    expect(await completions.retry(['mine'])).toEqual([true])
    expect(await completions.claim({ sessionKey: 'chat' })).toHaveLength(1)
    const closed = delegator.close()
    clock.advance(5_000)
    await closed
  })

  it.each([{ states: ['lost'] }, { afterSeq: -1 }, { limit: 1.5 }])(
    '%j is OPTION_INVALID',
    async (options) => {
      const { completions } = await withEvents()
      expect(await codeOf(completions.read(options as never))).toBe('OPTION_INVALID')
    },
  )
})
