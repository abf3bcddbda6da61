import { expect, it } from 'vitest'
import { createInlineExecutor } from '../../src/pool/inline-executor.js'
import type { Runner } from '../../src/runner.js'
import { systemClock } from '../../src/runtime/system-clock.js'
import { executorContract, hasLine, lateTimerContract, taskOf, watch } from '../contract/executor.js'
import * as outcomes from '../fixtures/runners/outcomes.js'

const underTest = {
  create: () => createInlineExecutor({ clock: systemClock }),
  runner: (name: string) => (outcomes as unknown as Readonly<Record<string, Runner>>)[name]!,
}

executorContract('the inline executor', underTest)
lateTimerContract('the inline executor', underTest)

it('P6: a plain function cannot be stopped by force, and terminate says so', async () => {
  const executor = underTest.create()
  const child = watch(executor, underTest.runner('untilInterrupted'))
  await child.until(hasLine('ready'))
  expect(child.run.terminate()).toBe(false)
  expect(child.told).not.toContain('end')
  child.run.interrupt('politely, then')
  await child.ended
})

it('R18: a reference cannot be handed to it, and nothing of it runs', () => {
  const executor = underTest.create()
  expect(() => watch(executor, { url: 'file:///never.js' }, taskOf())).toThrow(TypeError)
})

it('P7: a flood of progress reaches the observer a few times, merged', async () => {
  const executor = underTest.create()
  const child = watch(executor, (_task, ctx) => {
    for (let index = 1; index <= 100_000; index += 1) ctx.progress({ index })
    return {}
  })
  await child.ended
  expect(child.activities.map(({ progress }) => progress)).toEqual([{ index: 100_000 }])
})
