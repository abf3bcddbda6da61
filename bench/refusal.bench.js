/** 4. How long a full delegator takes to refuse. */
import { context, goal, median, open, percentile, report, row, runnerOf, startAll, turn } from './lib.js'

const delegator = await open({ maxUnits: 3 })
await startAll(delegator, 3, () => ({ goal, context, runner: runnerOf('wait') }))
const shared = runnerOf('noop', { placement: 'shared' })
const isolated = runnerOf('noop')

async function refusals(runner, code) {
  const times = []
  for (let i = 0; i < 5_000; i += 1) {
    const start = process.hrtime.bigint()
    const outcome = await delegator.dispatch({ goal, context, runner })
    times.push(Number(process.hrtime.bigint() - start) / 1000)
    if (outcome.refusal?.code !== code) throw new Error(`expected ${code}, got ${JSON.stringify(outcome)}`)
    if (i % 100 === 0) await turn()
  }
  return { p50: percentile(times, 50), p99: percentile(times, 99) }
}

const figures = { shared: [], isolated: [] }
for (let i = 0; i < 9; i += 1) {
  const all = { shared: await refusals(shared, 'CAPACITY'), isolated: await refusals(isolated, 'CAPACITY') }
  if (i < 2) continue
  for (const name of ['shared', 'isolated']) figures[name].push(all[name])
}
const of = (name, p) => median(figures[name].map((figure) => figure[p]))
report(
  row({
    id: '4a',
    what: 'refusal by a full delegator, p50',
    unit: 'µs',
    ours: of('isolated', 'p50'),
    bound: { ours: { atMost: 5 } },
  }),
  row({ id: '4b', what: 'refusal by a full delegator, p99', unit: 'µs', ours: of('isolated', 'p99') }),
  row({
    id: '4c',
    what: 'the same, runner with shared placement, p50',
    unit: 'µs',
    ours: of('shared', 'p50'),
  }),
)
process.exit()
