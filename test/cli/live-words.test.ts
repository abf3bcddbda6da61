import { expect, it } from 'vitest'
import { liveWords } from '../../src/cli/live-words.js'
import { liveWords as ofTheCore } from '../../src/core/delegation.js'

it('the command line and the core know the same words of children that go on', () => {
  // `finalizing` is a unit's alone.
  expect(new Set([...liveWords, 'finalizing'])).toEqual(ofTheCore)
})
