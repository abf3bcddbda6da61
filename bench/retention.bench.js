/** 8. Whether memory grows with the number of delegations that are done. */
import { context, deliverAll, gc, goal, open, report, row, runnerOf, sleep } from './lib.js'

const points = [20_000, 100_000, 200_000]
const delegator = await open({ maxUnits: 64, maxSharedThreads: 2 })
const call = { goal, context, runner: runnerOf('noop', { placement: 'shared' }) }

const seen = []
let done = 0
for (const point of points) {
  await deliverAll(delegator, { total: point - done, inFlight: 64, call })
  done = point
  await sleep(500)
  gc()
  await sleep(1_000)
  gc()
  const { heapUsed, rss } = process.memoryUsage()
  seen.push({ heap: heapUsed / 1e6, rss: rss / 1e6 })
}
const [first, last, later] = seen
report(
  row({
    id: '8a',
    what: 'heap after gc: 100,000 acked delegations less 20,000',
    unit: 'MB',
    ours: last.heap - first.heap,
    bound: { ours: { atMost: 5 } },
    note: `${first.heap.toFixed(1)} MB, then ${last.heap.toFixed(1)} MB`,
  }),
  row({
    id: '8b',
    what: 'resident memory at 100,000 as a share of that at 20,000',
    unit: 'MB',
    ours: last.rss,
    bare: first.rss,
    ratio: last.rss / first.rss,
    bound: { ratio: { atMost: 1.1 } },
  }),
  row({
    id: '8c',
    what: 'resident memory at 200,000 as a share of that at 100,000',
    unit: 'MB',
    ours: later.rss,
    bare: last.rss,
    ratio: later.rss / last.rss,
    note: 'flat here and not in 8b: the heaps of the threads had not reached their size at 20,000',
  }),
)
process.exit()
