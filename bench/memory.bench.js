/** 6. Resident memory of a child that waits: isolated, and shared. Every figure comes from a fresh process. */
import {
  bareTask,
  context,
  gc,
  goal,
  interleave,
  median,
  open,
  openBare,
  ratioOf,
  report,
  row,
  runnerOf,
  sleep,
  startAll,
} from './lib.js'

const isolatedChildren = 32
const sharedChildren = 1_000
/** Reading the size of a process is noisy while its threads still settle. */
const settleMs = 1_500

async function rss() {
  gc()
  await sleep(settleMs)
  gc()
  return process.memoryUsage.rss()
}

const measurements = {
  async isolated() {
    const delegator = await open({ maxUnits: isolatedChildren, maxConcurrentChildren: 1 })
    const before = await rss()
    await startAll(delegator, isolatedChildren, () => ({ goal, context, runner: runnerOf('wait') }))
    return ((await rss()) - before) / isolatedChildren / 1e6
  },
  async bareIsolated() {
    const pool = await openBare('wait', { threads: isolatedChildren, warm: 0, handler: 'bare' })
    const before = await rss()
    for (let i = 0; i < isolatedChildren; i += 1) void pool.run(bareTask)
    while (pool.threads.length < isolatedChildren) await sleep(20)
    return ((await rss()) - before) / isolatedChildren / 1e6
  },
  async shared() {
    const delegator = await open({ maxUnits: sharedChildren + 4, maxSharedThreads: 2 })
    const runner = runnerOf('wait', { placement: 'shared' })
    await startAll(delegator, 4, () => ({ goal, context, runner }))
    const before = await rss()
    await startAll(delegator, sharedChildren, () => ({ goal, context, runner }))
    return ((await rss()) - before) / sharedChildren / 1e3
  },
  async bareShared() {
    const pool = await openBare('wait', {
      threads: 2,
      tasksPerThread: 100_000,
      memoryMb: 2_048,
      handler: 'bare',
    })
    for (let i = 0; i < 4; i += 1) void pool.run(bareTask)
    await sleep(200)
    const before = await rss()
    for (let i = 0; i < sharedChildren; i += 1) void pool.run(bareTask)
    return ((await rss()) - before) / sharedChildren / 1e3
  },
}

async function main() {
  const { inOwnProcess } = await import('./lib.js')
  const measure = (name) => () => inOwnProcess(import.meta.url, [name])
  const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
  const isolated = await interleave(rounds, measure('isolated'), measure('bareIsolated'))
  const shared = await interleave(rounds, measure('shared'), measure('bareShared'))
  report(
    row({
      id: '6a',
      what: 'resident memory per waiting isolated child (of 32)',
      unit: 'MB',
      ours: median(isolated.ours),
      bare: median(isolated.bare),
      ...ratioOf(isolated),
      bound: { ours: { atMost: 10 } },
    }),
    row({
      id: '6b',
      what: 'resident memory per waiting shared child (of 1,000 in 2 threads)',
      unit: 'kB',
      ours: median(shared.ours),
      bare: median(shared.bare),
      ...ratioOf(shared),
      bound: { ours: { atMost: 40 } },
    }),
  )
}

const [name] = process.argv.slice(2)
if (name === undefined) {
  await main()
  process.exit()
} else {
  process.send(await measurements[name](), () => process.exit())
}
