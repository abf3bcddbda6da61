/** 2b, 3e, 6c. A child in a process of its own beside one that starts its thread: round trip, blocked host, memory. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import {
  context,
  gc,
  goal,
  inOwnProcess,
  interleave,
  median,
  open,
  ratioOf,
  report,
  row,
  runnerOf,
  sleep,
  startAll,
} from './lib.js'

const count = Number(process.env.BENCH_TOTAL ?? 15)
const rounds = Number(process.env.BENCH_ROUNDS ?? 5)
const waitingChildren = 8
const settleMs = 1_500

let sessions = 0
/** A session of its own for each, so that no idle thread fits. */
const callOf = (isolation, runner) => ({
  goal,
  context,
  isolation,
  sessionKey: `agent:main:cli:dm:${(sessions += 1)}`,
  runner: runnerOf(runner),
})
const opened = () => open({ maxUnits: waitingChildren, maxConcurrentChildren: 1, maxThreads: 64 })

/** MB of one of `waitingChildren`. Each figure comes from a fresh process. */
const measurements = {
  async thread() {
    const delegator = await opened()
    const before = await rss()
    await startAll(delegator, waitingChildren, () => callOf('thread', 'wait'))
    return ((await rss()) - before) / waitingChildren / 1e6
  },
  async process() {
    const delegator = await opened()
    await startAll(delegator, waitingChildren, () => callOf('process', 'wait'))
    await sleep(settleMs)
    const sizes = childPids().map(proportionalMb)
    if (sizes.length !== waitingChildren) throw new Error(`${sizes.length} processes were there`)
    return median(sizes)
  },
}

async function rss() {
  gc()
  await sleep(settleMs)
  gc()
  return process.memoryUsage.rss()
}

function childPids() {
  const lines = execFileSync('ps', ['-eo', 'ppid=,pid=,args='], { encoding: 'utf8' }).split('\n')
  const own = lines.filter((line) => Number.parseInt(line, 10) === process.pid && line.includes('worker.js'))
  return own.map((line) => line.trim().split(/\s+/)[1])
}

function proportionalMb(pid) {
  const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
  return (Number(kilobytes) * 1024) / 1e6
}

async function main() {
  const delegator = await opened()
  const blocked = { thread: [], process: [] }

  async function roundTrip(isolation) {
    const call = callOf(isolation, 'noop')
    const start = performance.now()
    const outcome = await delegator.dispatch(call)
    blocked[isolation].push((performance.now() - start) * 1000)
    if (outcome.status !== 'dispatched') throw new Error(outcome.error)
    await delegator.wait(outcome.delegationId)
    const claimed = await delegator.completions.claim({ sessionKey: call.sessionKey })
    if (claimed.length !== 1 || !(await claimed[0].ack())) throw new Error('the completion was not there')
    return performance.now() - start
  }

  const each = (isolation) => async () => {
    const times = []
    for (let i = 0; i < count; i += 1) times.push(await roundTrip(isolation))
    return median(times)
  }

  await interleave(1, each('process'), each('thread'))
  for (const times of Object.values(blocked)) times.length = 0
  const figures = (of) => ({ ours: median(of.ours), bare: median(of.bare), ...ratioOf(of) })
  const trips = figures(await interleave(rounds, each('process'), each('thread')))
  const hosts = figures({ ours: [median(blocked.process)], bare: [median(blocked.thread)] })
  const rows = [
    row({
      id: '2b',
      what: 'sequential round trip, process per child, versus a new thread',
      unit: 'ms',
      ...trips,
    }),
    row({
      id: '3e',
      what: 'host blocked per dispatch that starts a process, versus a thread',
      unit: 'µs',
      ...hosts,
    }),
  ]
  if (process.platform === 'linux') {
    const measure = (name) => () => inOwnProcess(import.meta.url, [name])
    const sizes = figures(await interleave(3, measure('process'), measure('thread')))
    rows.push(
      row({
        id: '6c',
        what: 'memory per waiting child in a process (of 8), versus a thread',
        unit: 'MB',
        ...sizes,
      }),
    )
  }
  report(...rows)
}

const [name] = process.argv.slice(2)
if (name === undefined) {
  await main()
  process.exit()
} else {
  process.send(await measurements[name](), () => process.exit())
}
