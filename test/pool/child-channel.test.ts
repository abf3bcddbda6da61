import { expect, it } from 'vitest'
import { createChildChannel } from '../../src/pool/child-channel.js'

const channelOf = () =>
  createChildChannel({
    options: null,
    resumeFrom: null,
    writeLine: () => undefined,
    spawn: () => {
      throw new Error('nothing is spawned here')
    },
    say: () => undefined,
    onActivity: () => undefined,
    killProcesses: () => undefined,
    after: () => () => undefined,
  })

it('a copy of the context has the same signal, and methods that work', () => {
  const channel = channelOf()
  const copy = { ...channel.context }
  expect(copy.signal).toBe(channel.context.signal)
  copy.progress({ step: 1 })
  channel.interrupt('enough')
  expect(copy.signal.reason).toBe('enough')
  expect(channel.takeActivity()?.progress).toEqual({ step: 1 })
})

it('all contexts share one getter: one each would keep every child in memory until a major collection', () => {
  const getters = [channelOf(), channelOf()].map(
    ({ context }) => Object.getOwnPropertyDescriptor(context, 'signal')?.get,
  )
  expect(getters[0]).toBeTypeOf('function')
  expect(getters[1]).toBe(getters[0])
})
