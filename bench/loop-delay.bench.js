/** 7. How late the host's own timers are while 16 isolated children burn CPU. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import {
  context,
  inOwnProcess,
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

const children = 16
const seconds = Number(process.env.BENCH_SECONDS ?? 5)
const burnMs = (seconds + 2) * 1000

async function delay() {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await sleep(seconds * 1000)
  histogram.disable()
  return { p50: histogram.percentile(50) / 1e6, p99: histogram.percentile(99) / 1e6 }
}

const measurements = {
  async ours() {
    const delegator = await open({ maxUnits: children, maxConcurrentChildren: 1 })
    await startAll(delegator, children, () => ({ goal: String(burnMs), context, runner: runnerOf('burn') }))
    await sleep(200)
    return delay()
  },
  async bare() {
    const pool = await openBare('burn', { threads: children, handler: 'bare' })
    for (let i = 0; i < children; i += 1) void pool.run(burnMs).catch(() => undefined)
    await sleep(200)
    return delay()
  },
}

async function main() {
  const measure = (name) => () => inOwnProcess(import.meta.url, [name])
  const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
  const figures = await interleave(rounds, measure('ours'), measure('bare'))
  const line = (id, p, bound) => {
    const of = {
      ours: figures.ours.map((figure) => figure[p]),
      bare: figures.bare.map((figure) => figure[p]),
    }
    const what = `delay of the host's loop, 16 children burning CPU, ${p}`
    return row({ id, what, unit: 'ms', ours: median(of.ours), bare: median(of.bare), ...ratioOf(of), bound })
  }
  report(line('7a', 'p50', null), line('7b', 'p99', { ours: { atMost: 10 }, ratio: { atMost: 2 } }))
}

const [name] = process.argv.slice(2)
if (name === undefined) {
  await main()
  process.exit()
} else {
  process.send(await measurements[name](), () => process.exit())
}
