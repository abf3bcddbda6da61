/** 17. What 100,000 progress messages a second from 16 children do to the host's loop. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { inOwnProcess, interleave, median, open, percentile, report, row, runnerOf, sleep } from './lib.js'

const children = 16
const perSecond = 100_000
const seconds = Number(process.env.BENCH_SECONDS ?? 5)

/** The same children, awake as often; how much each says is all that differs. */
async function flooded(rate) {
  const delegator = await open({ maxUnits: 1, maxConcurrentChildren: children })
  let heard = 0
  const started = new Set()
  let allStarted
  const running = new Promise((resolve) => (allStarted = resolve))
  delegator.events.onAny(({ type, payload }) => {
    if (type === 'progress') heard += 1
    if (type === 'child' && payload.state === 'running' && started.add(payload.task_index).size === children)
      allStarted()
  })
  const runner = runnerOf('floods', { options: { perSecond: rate / children } })
  const goals = Array.from({ length: children }, (_, index) => `flood ${index}`)
  const { delegationId } = await delegator.dispatchBatch({ goals, runner })
  await running
  await sleep(500)
  heard = 0
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await sleep(seconds * 1000)
  histogram.disable()
  const edges = heard / seconds
  await delegator.interrupt(delegationId)
  const { results } = await delegator.wait(delegationId)
  const said = results.map(({ summary }) => JSON.parse(summary))
  return {
    p99: histogram.percentile(99) / 1e6,
    edges,
    rate: said.reduce((total, { count, seconds: took }) => total + count / took, 0),
  }
}

const [name] = process.argv.slice(2)
if (name !== undefined) process.send(await flooded(Number(name)), () => process.exit())
else {
  const measure = (rate) => () => inOwnProcess(import.meta.url, [String(rate)])
  const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
  const { ours, bare } = await interleave(rounds, measure(perSecond), measure(0))
  const change = ours.map(({ p99 }, round) => p99 - bare[round].p99)
  const figures = (key) => ({
    ours: median(ours.map((each) => each[key])),
    bare: median(bare.map((each) => each[key])),
  })
  report(
    row({
      id: '17a',
      what: `delay of the host's loop, p99: what 100,000 progress messages a second of 16 children add`,
      unit: 'ms',
      ours: median(change),
      bare: figures('p99').bare,
      spread: null,
      bound: { ours: { atMost: 10 } },
      note: `spread of the rounds ${percentile(change, 0).toFixed(2)} to ${percentile(change, 100).toFixed(2)} ms`,
    }),
    row({
      id: '17b',
      what: 'messages a second that the children sent',
      unit: '/s',
      ours: figures('rate').ours,
      bound: { ours: { atLeast: 0.95 * perSecond } },
    }),
    row({
      id: '17c',
      what: 'events a second that a listener heard of them',
      unit: '/s',
      ours: figures('edges').ours,
      bound: { ours: { atMost: 200 } },
    }),
  )
  process.exit()
}
