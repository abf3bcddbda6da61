import { describe, expect, it, vi } from 'vitest'
import { attachHost, type AttachHostOptions } from '../../src/index.js'
import { gate, open, openWithLedger, quick, until } from '../runtime/support.js'
import { attach, finished } from './support.js'

describe('attachHost: hosts that do not keep to the rules (P8)', () => {
  it.each([
    ['nothing', undefined],
    ['a boolean', true],
    ['another word', 'done'],
  ])('P3: startTurn that answers %s has failed: it costs an attempt, and says so', async (_what, answer) => {
    const { delegator, ledger } = await openWithLedger()
    attach(delegator, { take: () => answer as 'started' })
    const id = await finished(delegator, 'a')
    const read = async () => (await ledger.deliveries({ ids: [id] }, ['pending', 'dead'], { limit: 1 }))[0]
    await until(ledger, async () => (await read())?.attempts === 1)
    expect((await read())?.reason).toContain(`startTurn answered ${String(answer)}`)
  })

  it.each([
    ['a promise', () => Promise.resolve(true)],
    ['nothing', () => undefined],
    ['a text', () => 'idle'],
  ])('P8: isIdle that answers %s is no proof, and no turn is started', async (_what, isIdle) => {
    const delegator = await open()
    const asked = gate()
    let asks = 0
    let isKnown = false
    const test = attach(delegator, {
      isIdle: (() => {
        if (++asks === 3) asked.open()
        return isKnown ? true : isIdle()
      }) as AttachHostOptions['isIdle'],
    })
    await finished(delegator, 'a')
    await asked.promise
    expect(test.turns).toEqual([])
    isKnown = true
    test.host.idle()
    await test.until(1)
  })

  it.each([
    ['a promise of no', () => Promise.resolve(false)],
    ['a text', () => 'no'],
    ['a number', () => 1],
  ])('P8: owns that answers %s is no proof, and nothing is handed over', async (_what, owns) => {
    const delegator = await open()
    let asks = 0
    let isKnown = false
    const test = attach(delegator, {
      owns: (() => {
        asks += 1
        return isKnown ? true : owns()
      }) as unknown as NonNullable<AttachHostOptions['owns']>,
    })
    await finished(delegator, 'a')
    await expect.poll(() => asks).toBeGreaterThan(0)
    expect(test.turns).toEqual([])
    isKnown = true
    await expect.poll(() => (test.host.idle(), test.turns.length)).toBe(1)
  })

  it('a startTurn that never answers has failed once its time is over, and holds up nothing for longer', async () => {
    const { delegator, ledger } = await openWithLedger()
    const answer = gate<'started'>()
    const test = attach(delegator, {
      startTimeoutSeconds: 1,
      take: (_turn, count) => (count === 1 ? answer.promise : 'started'),
    })
    const id = await finished(delegator, 'a')
    const read = async () => (await ledger.deliveries({ ids: [id] }, ['pending'], { limit: 1 }))[0]
    await until(ledger, async () => (await read())?.attempts === 1)
    expect((await read())?.reason).toContain('did not answer in time (1 s')
    // It took it after all: it is told of it no second time.
    answer.open('started')
    const other = await finished(delegator, 'b')
    await until(ledger, async () => {
      const states = await ledger.deliveries({ ids: [id, other] }, ['delivered'], { limit: 2 })
      return states.length === 2
    })
    expect(test.turns.map(({ goals }) => goals)).toEqual([['a'], ['b']])
  })

  it('a host that never answers holds no detach up', async () => {
    const { delegator, ledger } = await openWithLedger()
    const begun = gate()
    const test = attach(delegator, {
      take: () => {
        begun.open()
        return new Promise(() => undefined)
      },
    })
    const id = await finished(delegator, 'a')
    await begun.promise
    await test.host.detach()
    const [left] = await ledger.deliveries({ ids: [id] }, ['pending'], { limit: 1 })
    expect(left).toMatchObject({ attempts: 1 })
  })

  const misfits: [what: string, options: object][] = [
    ['no isIdle', { isIdle: undefined }],
    ['a startTurn that is a text', { startTurn: 'x' }],
    ['owns that is a list', { owns: [] }],
    ['a resolveSession that is a text', { resolveSession: 'x' }],
    ['a session key that is a number', { sessionKey: 5 }],
    ['a coalesce that is a text', { coalesce: 'no' }],
    ['both sessionKey and owns', { sessionKey: 'a', owns: () => true }],
    ['too small a turn', { maxTurnCharacters: 9_999 }],
    ['a time that is none', { startTimeoutSeconds: 0 }],
  ]
  it.each(misfits)('%s is OPTION_INVALID', async (_what, options) => {
    const delegator = await open()
    const host = { isIdle: () => true, startTurn: () => 'started', ...options } as AttachHostOptions
    expect(() => attachHost(delegator, host)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
  })

  it('P8: idle() inside startTurn, and a dispatch that ends inside of it, start no second turn in it', async () => {
    const delegator = await open({ maxUnits: 9 })
    let inside = 0
    let most = 0
    const test = attach(delegator, {
      take: async (_turn, count): Promise<'started'> => {
        most = Math.max(most, (inside += 1))
        test.host.idle()
        if (count < 4) {
          await finished(delegator, `follow up ${count}`)
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        test.host.idle()
        inside -= 1
        return 'started'
      },
    })
    await finished(delegator, 'first')
    await test.until(4)
    expect(most).toBe(1)
    expect(test.turns.map(({ goals }) => goals)).toEqual([
      ['first'],
      ['follow up 1'],
      ['follow up 2'],
      ['follow up 3'],
    ])
  })

  it('P3: several hosts of one session share its completions: each is one turn of one of them', async () => {
    const delegator = await open({ maxUnits: 99 })
    const hosts = Array.from({ length: 5 }, () => attach(delegator, { sessionKey: 's', coalesce: false }))
    const goals = Array.from({ length: 40 }, (_, index) => `g${index}`)
    await Promise.all(goals.map((goal) => delegator.dispatch({ goal, runner: quick, sessionKey: 's' })))
    const told = () => hosts.flatMap(({ turns }) => turns.flatMap((turn) => turn.goals))
    await vi.waitFor(() => expect(told()).toHaveLength(40), { timeout: 20_000 })
    expect(told().sort()).toEqual(goals.sort())
  })

  it('P3: what was accepted is no turn again, although its acknowledgement was lost', async () => {
    const { delegator, ledger } = await openWithLedger()
    const resolve = ledger.resolve.bind(ledger)
    let lost = 0
    // Another consumer's take-over: the claim is gone, and the event is free again.
    vi.spyOn(ledger, 'resolve').mockImplementation(async (tokens, verdict) => {
      if (verdict.kind !== 'ack' || lost > 0) return resolve(tokens, verdict)
      lost += 1
      await resolve(tokens, { kind: 'defer', forSeconds: 0 })
      return tokens.map(() => false)
    })
    const test = attach(delegator)
    const id = await finished(delegator, 'a')
    await until(ledger, async () => (await delegator.get(id)).delivery_state === 'delivered')
    expect(lost).toBe(1)
    expect(test.turns).toHaveLength(1)
  })
})

describe('attachHost: detach in every state', () => {
  it('P3: with nothing to do, twice, and after close', async () => {
    const delegator = await open()
    const { host } = attach(delegator)
    await Promise.all([host.detach(), host.detach()])
    host.idle()
    const other = attach(delegator)
    await delegator.close()
    await other.host.detach()
    const late = attachHost(delegator, { isIdle: () => true, startTurn: () => 'started' })
    await late.detach()
  })

  it('P3: while a completion is being claimed: it goes back at no cost, and no turn starts', async () => {
    const { delegator, ledger } = await openWithLedger()
    const claim = ledger.claim.bind(ledger)
    const [claiming, mayClaim] = [gate(), gate()]
    vi.spyOn(ledger, 'claim').mockImplementationOnce(async (...args) => {
      claiming.open()
      await mayClaim.promise
      return claim(...args)
    })
    const test = attach(delegator)
    await finished(delegator, 'a')
    await claiming.promise
    const detaching = test.host.detach()
    mayClaim.open()
    await detaching
    expect(test.turns).toEqual([])
    const [delivery] = await delegator.completions.read()
    expect(delivery).toMatchObject({ state: 'pending', attempts: 0 })
  })

  it('P3: while a host that was busy after all rests, and after a turn that failed: both stay in the ledger', async () => {
    const { delegator, ledger } = await openWithLedger({ maxUnits: 9 })
    const test = attach(delegator, {
      coalesce: false,
      take({ goals }) {
        if (goals[0] === 'fails') throw new Error('no provider')
        return 'busy'
      },
    })
    for (const goal of ['busy', 'fails']) await finished(delegator, goal)
    await until(ledger, async () => (await delegator.completions.read()).some(({ attempts }) => attempts > 0))
    await test.host.detach()
    const turns = test.turns.length
    const left = await delegator.completions.read()
    expect(left.map(({ state }) => state)).toEqual(['pending', 'pending'])
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(test.turns).toHaveLength(turns)
  })
})
