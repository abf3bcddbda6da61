import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { DelegationError, type Completion, type Ledger } from '../../src/index.js'
import { judge, keepRenewed } from '../../src/host/held-claims.js'
import { gate, manualClock, open, openWithLedger, until } from '../runtime/support.js'
import { attach, finished } from './support.js'

const deliveryOf = async (ledger: Ledger, id: string) => {
  const states = ['pending', 'claimed', 'delivered', 'dead', 'dropped'] as const
  const [delivery] = await ledger.deliveries({ ids: [id] }, states, { limit: 1 })
  return { state: delivery?.state, attempts: delivery?.attempts }
}

describe('attachHost: verdicts (P3, H2)', () => {
  it('P3: a completion is acked when its turn was started, and not before', async () => {
    const { delegator, ledger } = await openWithLedger()
    const accepted = gate<'started'>()
    const begun = gate()
    attach(delegator, {
      take: () => {
        begun.open()
        return accepted.promise
      },
    })
    const id = await finished(delegator, 'a')
    await begun.promise
    expect((await deliveryOf(ledger, id)).state).toBe('claimed')
    accepted.open('started')
    await until(ledger, async () => (await deliveryOf(ledger, id)).state === 'delivered')
  })

  it('P3: a host that was busy after all gets it again, and that costs no attempt', async () => {
    const { delegator, ledger } = await openWithLedger()
    const test = attach(delegator, { take: (_turn, count) => (count < 4 ? 'busy' : 'started') })
    const id = await finished(delegator, 'a')
    await test.until(4)
    await until(ledger, async () => (await deliveryOf(ledger, id)).state === 'delivered')
    expect(await deliveryOf(ledger, id)).toEqual({ state: 'delivered', attempts: 0 })
    expect(test.turns.map(({ goals }) => goals)).toEqual([['a'], ['a'], ['a'], ['a']])
  })

  it('P3: a turn that fails to start costs an attempt, and comes again', async () => {
    const clock = manualClock()
    const { delegator, ledger } = await openWithLedger({ clock })
    const test = attach(delegator, {
      take: (_turn, count) => {
        if (count === 1) throw new Error('no provider')
        return 'started'
      },
    })
    const id = await finished(delegator, 'a')
    await until(
      ledger,
      async () => (await deliveryOf(ledger, id)).state === 'pending' && test.turns.length === 1,
    )
    expect(await deliveryOf(ledger, id)).toEqual({ state: 'pending', attempts: 1 })
    const [delivery] = await ledger.deliveries({ ids: [id] }, ['pending'], { limit: 1 })
    expect(delivery?.reason).toBe('the turn failed to start: no provider')
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(2_000)
    await test.until(2)
    await until(ledger, async () => (await deliveryOf(ledger, id)).state === 'delivered')
  })

  it('P3: a host that is busy for hours loses nothing, holds nothing, and gets it once', async () => {
    const clock = manualClock()
    const { delegator, ledger } = await openWithLedger({ clock })
    const polled = { count: 0, wanted: 0, reached: (): void => undefined }
    const test = attach(delegator, {
      isIdle: () => {
        polled.count += 1
        if (polled.count >= polled.wanted) polled.reached()
        return !test.isBusy
      },
      isBusy: true,
    })
    const polls = (more: number): Promise<void> =>
      new Promise((resolve) => {
        polled.wanted = polled.count + more
        polled.reached = resolve
        test.host.idle()
      })
    const id = await finished(delegator, 'a')
    for (let minutes = 0; minutes < 60; minutes += 2) {
      const looked = polls(1)
      clock.advance(2 * 60_000)
      await looked
    }
    expect(await deliveryOf(ledger, id)).toEqual({ state: 'pending', attempts: 0 })
    test.isBusy = false
    test.host.idle()
    await test.until(1)
    await until(ledger, async () => (await deliveryOf(ledger, id)).state === 'delivered')
    expect(await deliveryOf(ledger, id)).toEqual({ state: 'delivered', attempts: 0 })
    expect(test.turns).toHaveLength(1)
  })
})

describe('attachHost: a ledger in trouble', () => {
  const busy = (): Promise<never> => Promise.reject(new DelegationError('LEDGER_BUSY'))

  it.each([
    ['started', 'delivered', 1],
    ['busy', 'delivered', 2],
  ] as const)(
    'P3: the verdict on a turn that was %s is tried again, at no cost',
    async (word, state, count) => {
      const { delegator, ledger } = await openWithLedger()
      const test = attach(delegator, { take: (_turn, turn) => (turn === 1 ? word : 'started') })
      const failing = vi.spyOn(ledger, 'resolve').mockImplementationOnce(busy).mockImplementationOnce(busy)
      const id = await finished(delegator, 'a')
      await until(ledger, async () => (await deliveryOf(ledger, id)).state === state)
      expect(failing.mock.calls.length).toBeGreaterThan(2)
      expect(await deliveryOf(ledger, id)).toEqual({ state, attempts: 0 })
      expect(test.turns).toHaveLength(count)
    },
  )

  it('P3: a turn that failed to start is released, although not at once', async () => {
    const { delegator, ledger } = await openWithLedger()
    attach(delegator, { take: () => Promise.reject(new Error('no provider')) })
    vi.spyOn(ledger, 'resolve').mockImplementationOnce(busy)
    const id = await finished(delegator, 'a')
    await until(ledger, async () => (await deliveryOf(ledger, id)).attempts === 1)
  })

  it('P3: what cannot be claimed, or looked for, is tried again', async () => {
    const { delegator, ledger } = await openWithLedger()
    const id = await finished(delegator, 'a')
    vi.spyOn(ledger, 'claim').mockImplementationOnce(busy)
    vi.spyOn(ledger, 'waiting').mockImplementationOnce(busy)
    const test = attach(delegator)
    await until(ledger, async () => (await deliveryOf(ledger, id)).state === 'delivered')
    expect(await deliveryOf(ledger, id)).toEqual({ state: 'delivered', attempts: 0 })
    expect(test.turns).toHaveLength(1)
  })

  it('P3: a claim that was lost is renewed no more, and its verdict not insisted on', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const renew = vi.fn(() => Promise.resolve(false))
    const lost = [{ renew } as unknown as Completion]
    const renewing = keepRenewed(lost)
    await vi.advanceTimersByTimeAsync(600_000)
    expect(renew).toHaveBeenCalledTimes(1)
    expect(renewing.isLost).toBe(true)
    const judged = judge(lost, busy)
    await vi.advanceTimersByTimeAsync(600_000)
    await judged
    expect(renew).toHaveBeenCalledTimes(2)
  })
})

describe('attachHost: detach and close', () => {
  it('P3: detach stops cleanly and gives back what was claimed', async () => {
    const { delegator, ledger } = await openWithLedger()
    const asked = gate()
    const test = attach(delegator, {
      isIdle: () => {
        asked.open()
        return false
      },
    })
    const id = await finished(delegator, 'a')
    await asked.promise
    await test.host.detach()
    expect(await deliveryOf(ledger, id)).toEqual({ state: 'pending', attempts: 0 })
    expect(test.turns).toEqual([])
    expect((await delegator.completions.claim())[0]?.event.delegation_id).toBe(id)
  })

  it('P3: detach waits for the turn that is being started, and keeps its verdict', async () => {
    const { delegator, ledger } = await openWithLedger()
    const accepted = gate<'started'>()
    const begun = gate()
    const test = attach(delegator, {
      take: () => {
        begun.open()
        return accepted.promise
      },
    })
    const id = await finished(delegator, 'a')
    await begun.promise
    const detaching = test.host.detach()
    accepted.open('started')
    await detaching
    expect((await deliveryOf(ledger, id)).state).toBe('delivered')
    await finished(delegator, 'b')
    expect(test.turns).toHaveLength(1)
  })

  it('P3: detach at once, twice, and after close, resolves', async () => {
    const delegator = await open()
    const test = attach(delegator)
    await Promise.all([test.host.detach(), test.host.detach()])
    const other = attach(delegator)
    await delegator.close()
    await other.host.detach()
    test.host.idle()
  })

  it('P3: when the delegator closes under a busy host, it stops asking', async () => {
    const delegator = await open()
    const asked = gate()
    let asks = 0
    attach(delegator, {
      isIdle: () => {
        asks += 1
        asked.open()
        return false
      },
    })
    await finished(delegator, 'a')
    await asked.promise
    await delegator.close()
    const before = asks
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(asks - before).toBeLessThanOrEqual(1)
  })
})
