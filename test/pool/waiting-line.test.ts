import type { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { createPiscinaExecutor } from '../../src/pool/piscina-executor.js'
import { systemClock } from '../../src/runtime/system-clock.js'
import { hasLine, taskOf, watch } from '../contract/executor.js'

const url = new URL('../fixtures/runners/outcomes.js', import.meta.url).href
const limits = { maxThreads: 9, maxSharedThreads: 1, childMemoryMb: 128, importTimeoutMs: 30_000 }

it.each([1, 2, 5])(
  'R9: a burst of %i cold children starts exactly as many threads, though the queue is never empty',
  async (count) => {
    const workers: Worker[] = []
    const note = (worker: Worker): void => void workers.push(worker)
    process.on('worker', note)
    const executor = createPiscinaExecutor({ clock: systemClock, ...limits })
    const children = Array.from({ length: count }, (_, taskIndex) =>
      watch(executor, { url, export: 'untilInterrupted' }, taskOf('wait', { taskIndex })),
    )
    await Promise.all(children.map((child) => child.until(hasLine('ready'))))
    for (const { run } of children) run.interrupt('enough')
    await Promise.all(children.map(({ ended }) => ended))
    process.off('worker', note)
    expect(workers).toHaveLength(count)
    await executor.close(10_000)
  },
)

it('R9: a child that is stopped while its thread still starts leaves the line, and the next one runs', async () => {
  const executor = createPiscinaExecutor({ clock: systemClock, ...limits })
  const gone = watch(executor, { url, export: 'completes' })
  gone.run.terminate()
  const next = watch(executor, { url, export: 'completes' })
  expect(await gone.ended).toMatchObject({ kind: 'lost', cause: 'terminated' })
  expect(await next.ended).toMatchObject({ kind: 'returned' })
  expect(gone.told).toEqual(['end'])
  await executor.close(10_000)
})
