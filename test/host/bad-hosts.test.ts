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
