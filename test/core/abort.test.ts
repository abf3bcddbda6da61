import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { linkAbort } from '../../src/core/abort.js'

describe('linkAbort', () => {
  it('aborts with its parent, and for the same reason', () => {
    const parent = new AbortController()
    const child = linkAbort(parent.signal)
    expect(child.signal.aborted).toBe(false)
    parent.abort('enough')
    expect([child.signal.aborted, child.signal.reason]).toEqual([true, 'enough'])
  })

  it('is born aborted under a parent that is', () => {
    const child = linkAbort(AbortSignal.abort('before'))
    expect([child.signal.aborted, child.signal.reason]).toEqual([true, 'before'])
  })

  it('its own abort does not reach the parent', () => {
    const parent = new AbortController()
    linkAbort(parent.signal).abort('mine')
    expect(parent.signal.aborted).toBe(false)
  })

  it('leaves no listener on a long-lived parent, however many children there were', () => {
    const parent = new AbortController()
    for (let count = 0; count < 1_000; count += 1) linkAbort(parent.signal).abort()
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0)
    linkAbort(parent.signal)
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(1)
    parent.abort()
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0)
    linkAbort(parent.signal)
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0)
  })
})
