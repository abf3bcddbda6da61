/** 1. How many no-op delegations a second, end to end, versus bare Piscina. */
import {
  deliverAll,
  goal,
  context,
  interleave,
  median,
  open,
  openBare,
  ratioOf,
  report,
  row,
  runAll,
  runnerOf,
} from './lib.js'

const inFlight = 64
const total = Number(process.env.BENCH_TOTAL ?? 6_000)
const rounds = Number(process.env.BENCH_ROUNDS ?? 9)

const delegator = await open({ maxUnits: inFlight, maxSharedThreads: 2 })
const pool = await openBare('noop', { threads: 2, tasksPerThread: 100_000, memoryMb: 2_048 })
const call = { goal, context, runner: runnerOf('noop', { placement: 'shared' }) }

async function rate(work) {
  const start = performance.now()
  await work()
  return total / ((performance.now() - start) / 1000)
}
const ours = () => rate(() => deliverAll(delegator, { total, inFlight, call }))
const bare = () => rate(() => runAll(pool, { total, inFlight }))

await interleave(2, ours, bare)
const figures = await interleave(rounds, ours, bare)
report(
  row({
    id: '1',
    what: 'no-op throughput, 2 shared threads, 64 in flight',
    unit: '/s',
    ours: median(figures.ours),
    bare: median(figures.bare),
    ...ratioOf(figures),
    bound: { ratio: { atLeast: 0.6 } },
  }),
)
process.exit()
