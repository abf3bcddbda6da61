import { describe, expect, it } from 'vitest'
import { PeerError } from '../../src/a2a/peer-error.js'
import type { PeerTime } from '../../src/a2a/peer-time.js'
import { createBreaker, createRetryBudget, withRetries, type RetryBounds } from '../../src/a2a/retry.js'

/** Timers fire at once, and move the clock; chance is always one half. */
function manualTime(): PeerTime & { readonly waits: number[]; advance(ms: number): void } {
  let nowMs = 0
  const waits: number[] = []
  return {
    waits,
    advance: (ms) => void (nowMs += ms),
    monotonicMs: () => nowMs,
    now: () => nowMs / 1000,
    random: () => 0.5,
    later: () => () => undefined,
    after(ms, fn) {
      waits.push(ms)
      nowMs += ms
      queueMicrotask(fn)
      return () => undefined
    },
  }
}

const bounds: RetryBounds = { maxRetries: 4, initialMs: 100, maxMs: 300, maxSeconds: 10 }
const refused = new PeerError('PEER_UNREACHABLE', 'refused', { mayBeDelivered: false })
const broken = new PeerError('PEER_UNREACHABLE', 'broke')

function tries(time: PeerTime, given: Partial<Parameters<typeof withRetries>[1]> = {}) {
  return {
    time,
    bounds,
    breaker: createBreaker(time),
    budget: createRetryBudget(),
    signal: new AbortController().signal,
    isRepeatable: false,
    onRetry: () => undefined,
    ...given,
  }
}

function failing(errors: readonly PeerError[]) {
  let calls = 0
  return {
    get calls() {
      return calls
    },
    act: () => {
      const error = errors[calls]
      calls += 1
      return error === undefined ? Promise.resolve('done') : Promise.reject(error)
    },
  }
}

describe('W6: retries', () => {
  it('full jitter: a random part of a bound that doubles up to its maximum', async () => {
    const time = manualTime()
    const call = failing([refused, refused, refused, refused])
    expect(await withRetries(call.act, tries(time))).toBe('done')
    expect(time.waits).toEqual([50, 100, 150, 150])
  })

  it('what may have arrived is sent again only where twice does no more than once', async () => {
    const once = failing([broken])
    await expect(withRetries(once.act, tries(manualTime()))).rejects.toBe(broken)
    expect(once.calls).toBe(1)
    const again = failing([broken])
    expect(await withRetries(again.act, tries(manualTime(), { isRepeatable: true }))).toBe('done')
  })

  it('waits at least as long as the peer asked, and not at all beyond its bound', async () => {
    const busy = (retryAfterMs: number): PeerError =>
      new PeerError('PEER_BUSY', '429', { mayBeDelivered: false, retryAfterMs })
    const time = manualTime()
    await withRetries(failing([busy(2_000)]).act, tries(time))
    expect(time.waits).toEqual([2_050])
    const far = busy(60_000)
    await expect(withRetries(failing([far]).act, tries(manualTime()))).rejects.toBe(far)
  })

  it('an interrupt ends the waiting', async () => {
    const abort = new AbortController()
    const call = failing([refused, refused])
    const onRetry = (): void => abort.abort()
    await expect(withRetries(call.act, tries(manualTime(), { signal: abort.signal, onRetry }))).rejects.toBe(
      refused,
    )
    expect(call.calls).toBe(1)
  })

  it('all callers of a peer share one budget', async () => {
    const budget = createRetryBudget()
    let calls = 0
    const act = (): Promise<never> => {
      calls += 1
      return Promise.reject(refused)
    }
    for (let caller = 0; caller < 100; caller += 1)
      await withRetries(act, tries(manualTime(), { budget })).catch(() => undefined)
    // 100 first tries, the 20 in store, and a fifth of each first try.
    expect(calls).toBeLessThanOrEqual(100 + 20 + 20)
    expect(calls).toBeGreaterThan(120)
  })

  it('who waits for a peer that is closed off takes nothing from it: an outage is survived by all who wait', async () => {
    const budget = createRetryBudget()
    for (let caller = 0; caller < 100; caller += 1) {
      const time = manualTime()
      const breaker = createBreaker(time)
      for (let n = 0; n < 5; n += 1) breaker.leave(false)
      expect(await withRetries(failing([]).act, tries(time, { budget, breaker }))).toBe('done')
    }
  })
})

describe('W6: the circuit breaker', () => {
  it('five failures in a row close the peer off; one request tries, and opens it again', () => {
    const time = manualTime()
    const breaker = createBreaker(time)
    for (let n = 0; n < 5; n += 1) {
      breaker.enter()
      breaker.leave(false)
    }
    expect(() => breaker.enter()).toThrow(/left alone/)
    time.advance(5_000)
    breaker.enter()
    expect(() => breaker.enter()).toThrow(/left alone/)
    breaker.leave(true)
    breaker.enter()
    breaker.leave(true)
    expect(breaker.waitMs()).toBe(0)
  })

  it('an answer that refuses says that the peer is well', async () => {
    const time = manualTime()
    const breaker = createBreaker(time)
    const no = new PeerError('PEER_REFUSED', 'no', { isPassing: false })
    for (let n = 0; n < 10; n += 1)
      await withRetries(failing([no]).act, tries(time, { breaker })).catch(() => undefined)
    expect(breaker.waitMs()).toBe(0)
  })
})
