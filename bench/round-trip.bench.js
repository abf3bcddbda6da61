/** 2. One delegation after the other in an isolated thread, dispatch to ack, versus `run` of a bare pool. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  bareTask,
  context,
  goal,
  interleave,
  median,
  open,
  openBare,
  percentile,
  ratioOf,
  report,
  row,
  runnerOf,
} from './lib.js'

// Two threads that wake each other take 15 µs when they share a CPU and 80 µs when they do not, and the scheduler changes
// its mind within a run. On one CPU both sides are measured alike; there the wake-up hides least of what we add.
const isPinned = process.env.BENCH_PINNED === '1'
if (!isPinned && process.platform === 'linux' && spawnSync('taskset', ['-c', '0', 'true']).status === 0) {
  const args = ['-c', '0', process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)]
  const { status } = spawnSync('taskset', args, {
    stdio: 'inherit',
    env: { ...process.env, BENCH_PINNED: '1' },
  })
  process.exit(status ?? 1)
}

const count = Number(process.env.BENCH_TOTAL ?? 1_500)
const rounds = Number(process.env.BENCH_ROUNDS ?? 9)

const delegator = await open({ maxUnits: 1 })
const pool = await openBare('noop', { threads: 1 })
const call = { goal, context, runner: runnerOf('noop') }
let onCompletion = () => undefined
delegator.events.on('completion', () => onCompletion())

async function roundTrip() {
  const told = new Promise((resolve) => (onCompletion = resolve))
  const outcome = await delegator.dispatch(call)
  if (outcome.status !== 'dispatched') throw new Error(outcome.error)
  await told
  const claimed = await delegator.completions.claim({ limit: 1 })
  if (claimed.length !== 1 || !(await claimed[0].ack())) throw new Error('the completion was not there')
}

const each = (work) => async () => {
  const times = []
  for (let i = 0; i < count; i += 1) {
    const start = performance.now()
    await work()
    times.push((performance.now() - start) * 1000)
  }
  return percentile(times, 50)
}
const ours = each(roundTrip)
const bare = each(() => pool.run(bareTask))

await interleave(2, ours, bare)
const figures = await interleave(rounds, ours, bare)
report(
  row({
    id: '2',
    what: 'sequential round trip, isolated: dispatch to ack (median)',
    unit: 'µs',
    ours: median(figures.ours),
    bare: median(figures.bare),
    ...ratioOf(figures),
    bound: { ratio: { atMost: 3 } },
    note: isPinned ? 'on one CPU' : 'not pinned: the ratio depends on the scheduler',
  }),
)
process.exit()
