/** 11. What a caller waits for a handle when the ledger is a file, one call at a time. */
import { newLedger, openDurable } from './ledger.js'
import { context, goal, interleave, median, open, percentile, ratioOf, report, row, runnerOf } from './lib.js'

const count = Number(process.env.BENCH_TOTAL ?? 1_500)
const rounds = Number(process.env.BENCH_ROUNDS ?? 7)
const runner = runnerOf('noop', { placement: 'shared' })
const call = { goal, context, sessionKey: 'agent:main:cli:dm:bench', runner }
const options = { maxUnits: 64, maxSharedThreads: 2 }

const dispatches = (delegator) => async () => {
  const times = []
  for (let i = 0; i < count; i += 1) {
    const start = performance.now()
    const { delegationId } = await delegator.dispatch(call)
    times.push((performance.now() - start) * 1000)
    await delegator.wait(delegationId, { collect: true })
  }
  return { p50: percentile(times, 50), p99: percentile(times, 99) }
}
const ours = dispatches(await openDurable(newLedger(), options))
const bare = dispatches(await open(options))
await interleave(1, ours, bare)
const figures = await interleave(rounds, ours, bare)

const of = (side, p) => figures[side].map((figure) => figure[p])
const line = (id, p, atMost) =>
  row({
    id,
    what: `dispatch until the handle is there, ${p}; baseline: in memory`,
    unit: 'µs',
    ours: median(of('ours', p)),
    bare: median(of('bare', p)),
    ...ratioOf({ ours: of('ours', p), bare: of('bare', p) }),
    bound: { ours: { atMost } },
  })
report(line('11a', 'p50', 200), line('11b', 'p99', 5_000))
process.exit()
