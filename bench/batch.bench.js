/** 5. One batch of 100 no-op children versus `Promise.all` of 100 bare runs. */
import {
  bareTask,
  context,
  goal,
  interleave,
  median,
  open,
  openBare,
  ratioOf,
  report,
  row,
  runnerOf,
} from './lib.js'

const size = 100
const count = 20
const rounds = 9

const delegator = await open({ maxUnits: 1, maxConcurrentChildren: size, maxSharedThreads: 2 })
const pool = await openBare('noop', { threads: 2, tasksPerThread: 100_000, memoryMb: 2_048 })
const goals = Array.from({ length: size }, () => goal)
const runner = runnerOf('noop', { placement: 'shared' })
let onCompletion = () => undefined
delegator.events.on('completion', (event) => onCompletion(event))

const each = (work) => async () => {
  const times = []
  for (let i = 0; i < count; i += 1) {
    const start = performance.now()
    await work()
    times.push(performance.now() - start)
  }
  return median(times)
}
const ours = each(async () => {
  const told = new Promise((resolve) => (onCompletion = resolve))
  const outcome = await delegator.dispatchBatch({ goals, context, runner })
  if (outcome.status !== 'dispatched') throw new Error(outcome.error)
  const event = await told
  if (event.results.length !== size) throw new Error('not every child answered')
  await delegator.completions.ack(await delegator.completions.claim())
})
const bare = each(() => Promise.all(goals.map(() => pool.run(bareTask))))

await interleave(3, ours, bare)
const figures = await interleave(rounds, ours, bare)
report(
  row({
    id: '5',
    what: 'batch of 100 no-op children, dispatch to ack',
    unit: 'ms',
    ours: median(figures.ours),
    bare: median(figures.bare),
    ...ratioOf(figures),
  }),
)
process.exit()
