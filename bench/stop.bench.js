/** 18, 19. How soon cooperative children answer an interrupt, and how soon busy loops are gone. */
import { availableParallelism } from 'node:os'
import {
  interleave,
  inOwnProcess,
  median,
  open,
  openBare,
  percentile,
  ratioOf,
  report,
  row,
  runnerOf,
  sleep,
  startAll,
} from './lib.js'

const cooperative = 100
/** As many as there may be threads. */
const isolated = 64
const loops = 16
const graceMs = 500

/** From the call until each child's outcome is told, ms. */
async function answers(count, placement) {
  const delegator = await open({ maxUnits: count, maxConcurrentChildren: 1, maxThreads: isolated })
  await startAll(delegator, count, (i) => ({ goal: `wait ${i}`, runner: runnerOf('wait', { placement }) }))
  await sleep(500)
  const times = []
  const start = performance.now()
  delegator.events.on('child', ({ result }) => result !== undefined && times.push(performance.now() - start))
  const { signalled, stopped } = await delegator.interruptAll('enough')
  if (signalled !== count || stopped !== count || times.length !== count)
    throw new Error(`${stopped} of ${count} stopped`)
  return percentile(times, 95)
}

const measurements = {
  shared: () => answers(cooperative, 'shared'),
  isolated: () => answers(isolated, 'isolated'),
  /** One message to all threads of a bare pool, whose tasks return when it comes. */
  async bare() {
    const pool = await openBare('wait', { threads: isolated, handler: 'untilTold' })
    const times = []
    let start = 0
    let ready = 0
    const channel = new BroadcastChannel('bench')
    const allReady = new Promise(
      (resolve) => (channel.onmessage = () => (ready += 1) === isolated && resolve()),
    )
    const tasks = Array.from({ length: isolated }, () =>
      pool.run(null).then(() => times.push(performance.now() - start)),
    )
    await allReady
    start = performance.now()
    channel.postMessage('enough')
    await Promise.all(tasks)
    return percentile(times, 95)
  },
  async loops() {
    const delegator = await open({ maxUnits: loops, maxConcurrentChildren: 1 })
    let begun = 0
    await new Promise((resolve) => {
      delegator.events.on('progress', () => (begun += 1) === loops && resolve())
      for (let i = 0; i < loops; i += 1) void delegator.dispatch({ goal: 'loop', runner: runnerOf('loop') })
    })
    const start = performance.now()
    const { escalated } = await delegator.interruptAll('enough', { graceMs })
    if (escalated !== loops) throw new Error(`${escalated} of ${loops} ended`)
    return performance.now() - start - graceMs
  },
  async bareLoops() {
    const pool = await openBare('loop', { threads: loops, handler: 'bare' })
    for (let i = 0; i < loops; i += 1) void pool.run(null).catch(() => undefined)
    await sleep(1_000)
    const start = performance.now()
    await Promise.all(pool.threads.map((worker) => worker.terminate()))
    return performance.now() - start
  },
}

const [name] = process.argv.slice(2)
if (name !== undefined) process.send(await measurements[name](), () => process.exit())
else {
  const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
  const measure = (of) => () => inOwnProcess(import.meta.url, [of])
  const shared = []
  for (let round = 0; round < rounds; round += 1) shared.push(await measure('shared')())
  const asked = await interleave(rounds, measure('isolated'), measure('bare'))
  const forced = await interleave(rounds, measure('loops'), measure('bareLoops'))
  report(
    row({
      id: '18a',
      what: `interrupting ${cooperative} cooperative children (2 shared threads): until answered, p95`,
      unit: 'ms',
      ours: median(shared),
      bound: { ours: { atMost: 100 } },
    }),
    row({
      id: '18b',
      what: `the same, ${isolated} isolated children, a thread each; baseline: a message to a bare pool`,
      unit: 'ms',
      ours: median(asked.ours),
      bare: median(asked.bare),
      ...ratioOf(asked),
      bound: { ours: { atMost: 100 } },
    }),
    row({
      id: '19',
      what: `forced end of ${loops} busy loops on ${availableParallelism()} CPUs, after the grace; baseline: bare terminate()`,
      unit: 'ms',
      ours: median(forced.ours),
      bare: median(forced.bare),
      ...ratioOf(forced),
      bound: { ours: { atMost: 1_000 } },
    }),
  )
  process.exit()
}
