import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createLineReader } from '../../src/pool/line-reader.js'
import { readPaced } from '../../src/pool/paced-reader.js'
import { loaderFlags } from '../../src/pool/process-launch.js'
import { manualClock } from '../runtime/support.js'

describe("flags of the host for a child's process", () => {
  it.each([
    [
      ['--import', 'tsx', '-r', './a.cjs'],
      ['--import', 'tsx', '-r', './a.cjs'],
    ],
    [
      ['--import=tsx', '--conditions=dev'],
      ['--import=tsx', '--conditions=dev'],
    ],
    [['--experimental-strip-types'], ['--experimental-strip-types']],
    [['--inspect=9229', '--expose-gc', '--max-old-space-size=64', '--input-type=module', '-e', '0'], []],
    [[], []],
  ])('of %j it takes %j', (given, taken) => {
    expect(loaderFlags(given)).toEqual(taken)
  })
})

describe('a reader of lines', () => {
  const linesOf = (parts: readonly string[], maxCharacters?: number): string[] => {
    const lines: string[] = []
    const read = createLineReader((line) => lines.push(line), maxCharacters)
    for (const part of parts) read(part)
    return lines
  }

  it('takes them together however they come, and keeps what has no end yet', () => {
    expect(linesOf(['a', 'b\n', '\nc\nd', 'e'])).toEqual(['ab', '', 'c'])
  })

  it('P7: leaves out one that is too long, and only that', () => {
    expect(linesOf(['1234', '56\n12', '345\n123456\nend\n'], 5)).toEqual(['12345', 'end'])
  })
})

it('P7: who writes more than the host can take waits for the next interval', async () => {
  const clock = manualClock()
  const stream = new PassThrough()
  let calls = 0
  readPaced(clock, stream, () => {
    calls += 1
    return 1_500_000
  })
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  for (const text of ['a', 'b', 'c']) {
    stream.write(text)
    await turn()
  }
  expect([calls, stream.isPaused()]).toEqual([2, true])
  clock.advance(100)
  await turn()
  expect([calls, stream.isPaused()]).toEqual([3, false])
})
