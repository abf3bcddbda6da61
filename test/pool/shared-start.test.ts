import { expect, it } from 'vitest'
import { createPiscinaExecutor } from '../../src/pool/piscina-executor.js'
import { systemClock } from '../../src/runtime/system-clock.js'

const waitsForInterrupt = `data:text/javascript,${encodeURIComponent(
  'export default (task, ctx) => new Promise((done) => ctx.signal.addEventListener("abort", () => done({})))',
)}`

it('P7: children that came to a shared thread while it loaded their module count as started, too', async () => {
  const executor = createPiscinaExecutor({
    clock: systemClock,
    maxThreads: 1,
    maxSharedThreads: 1,
    childMemoryMb: 128,
    importTimeoutMs: 10_000,
  })
  const keepAlive = setInterval(() => undefined, 1_000)
  const task = {
    ...{ goal: 'g', context: null, toolsets: null, role: 'leaf', model: null, sessionKey: '' },
    maxIterations: 250,
  }
  const runs = Array.from({ length: 8 }, (_, taskIndex) => {
    let started = (): void => undefined
    let ended: (kind: string) => void = () => undefined
    const isStarted = new Promise<void>((resolve) => (started = resolve))
    const hasEnded = new Promise<string>((resolve) => (ended = resolve))
    const run = executor.run(
      {
        task: { ...task, delegationId: 'd', taskIndex },
        runner: { url: waitsForInterrupt, placement: 'shared' },
        transcriptPath: null,
        summaryCharacters: 0,
        spillDirectory: '/nowhere',
      },
      {
        onStarted: started,
        onActivity: () => undefined,
        onRequest: () => undefined,
        onEnd: ({ kind }) => ended(kind),
      },
    )
    return { run, isStarted, hasEnded }
  })
  await Promise.all(runs.map(({ isStarted }) => isStarted))
  for (const { run } of runs) run.interrupt('done')
  expect(new Set(await Promise.all(runs.map(({ hasEnded }) => hasEnded)))).toEqual(new Set(['returned']))
  await executor.close(5_000)
  clearInterval(keepAlive)
})
