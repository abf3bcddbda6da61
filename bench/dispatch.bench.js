/** 3. How long the host's loop is busy with one dispatch: the call itself and the microtasks until it resolves. */
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
  sleep,
  turn,
} from './lib.js'

const count = Number(process.env.BENCH_TOTAL ?? 1_500)
const rounds = 7

const delegator = await open({ maxUnits: 64, maxSharedThreads: 2 })
const pool = await openBare('noop', { threads: 2, tasksPerThread: 100_000, memoryMb: 2_048 })

/** A turn of the loop between two calls: what is measured never includes somebody else's turn. */
const blocked = (dispatch, drain) => async () => {
  const times = []
  for (let i = 0; i < count; i += 1) {
    const start = performance.now()
    await dispatch()
    times.push((performance.now() - start) * 1000)
    await drain()
  }
  return { p50: percentile(times, 50), p99: percentile(times, 99) }
}

function dispatcher(call) {
  const ended = new Map()
  delegator.events.on('completion', ({ delegation_id }) => ended.get(delegation_id)?.())
  let last
  return {
    dispatch: async () => (last = await delegator.dispatch(call)),
    async drain() {
      if (last.status !== 'dispatched') throw new Error(last.error)
      const id = last.delegationId
      await new Promise((resolve) => ended.set(id, resolve))
      ended.delete(id)
      await delegator.completions.ack(await delegator.completions.claim())
      await turn()
    },
  }
}
const shared = dispatcher({ goal, context, runner: runnerOf('noop', { placement: 'shared' }) })
const isolated = dispatcher({ goal, context, runner: runnerOf('noop') })

let answer
const ours = blocked(shared.dispatch, shared.drain)
const oursIsolated = blocked(isolated.dispatch, isolated.drain)
const bare = blocked(
  () => {
    answer = pool.run(bareTask)
  },
  async () => {
    await answer
    await turn()
  },
)
await interleave(2, ours, bare)
await oursIsolated()
const figures = { shared: [], isolated: [], bare: [] }
for (let i = 0; i < rounds; i += 1) {
  figures.shared.push(await ours())
  figures.bare.push(await bare())
  figures.isolated.push(await oursIsolated())
}

/** A dispatch that starts a thread: a session of its own each, so that no idle thread fits. */
const cold = []
const coldBare = []
const starting = await open({ maxUnits: 64, maxConcurrentChildren: 1 })
for (let i = 0; i < 20; i += 1) {
  let start = performance.now()
  await starting.dispatch({ goal, context, sessionKey: `agent:main:cli:dm:${i}`, runner: runnerOf('wait') })
  cold.push((performance.now() - start) * 1000)
  await sleep(60)
  const fresh = await openBare('wait', { threads: 1, warm: 0, handler: 'bare' })
  start = performance.now()
  void fresh.run(bareTask).catch(() => undefined)
  coldBare.push((performance.now() - start) * 1000)
  await sleep(60)
  await fresh.destroy()
}

const of = (name, p) => figures[name].map((figure) => figure[p])
const line = (id, what, ours, p, bound) =>
  row({
    id,
    what,
    unit: 'µs',
    ours: median(of(ours, p)),
    bare: median(of('bare', p)),
    ...ratioOf({ ours: of(ours, p), bare: of('bare', p) }),
    bound,
  })
report(
  line('3a', 'host blocked per dispatch, shared, p50', 'shared', 'p50', null),
  line('3b', 'host blocked per dispatch, shared, p99', 'shared', 'p99', { ours: { atMost: 100 } }),
  line('3c', 'host blocked per dispatch, idle isolated thread, p99', 'isolated', 'p99', {
    ours: { atMost: 100 },
  }),
  row({
    id: '3d',
    what: 'host blocked per dispatch that starts a thread, p50',
    unit: 'µs',
    ours: median(cold),
    bare: median(coldBare),
    ...ratioOf({ ours: cold, bare: coldBare }),
    note: 'new Worker() is synchronous in Node',
  }),
)
process.exit()
