/** 16. How soon a waiting process sees what another one has written, and what waiting costs. */
import { newLedger, openDurable, program } from './ledger.js'
import { percentile, report, row, sleep } from './lib.js'

const count = Number(process.env.BENCH_TOTAL ?? 300)
const idleMs = Number(process.env.BENCH_MS ?? 20_000)
const sessionKey = 'agent:main:cli:dm:waking'
const ledger = newLedger()
const delegator = await openDurable(ledger)
const follower = program('follower', { ledger, sessionKey })
await follower.line()

/** From the `completion` event of the writer, which comes after the commit, to the follower's own. */
const late = []
const told = new Map()
delegator.events.on('completion', ({ event_id }) => {
  told.set(event_id, performance.timeOrigin + performance.now())
})
for (let i = 0; i < count; i += 1) {
  const seen = follower.line()
  const { status, error } = await delegator.dispatch({ goal: 'wake', sessionKey, runner: () => 'done' })
  if (status !== 'dispatched') throw new Error(error)
  const { seenAtMs, id } = JSON.parse(await seen)
  // Who is told may be told before who tells has come to its own listener.
  late.push(told.has(id) ? Math.max(0, seenAtMs - told.get(id)) : 0)
  await sleep(10 + (i % 7))
}
await delegator.close()

/** CPU time of the follower, as a share of one CPU. */
async function cpuShare() {
  const ask = async () => {
    const answer = follower.line()
    follower.say('cpu')
    return JSON.parse(await answer).cpuMs
  }
  await ask()
  const start = performance.now()
  await sleep(idleMs)
  return ((await ask()) / (performance.now() - start)) * 100
}
// What starting cost is collected for some seconds yet: that is no waiting.
await sleep(10_000)
const idle = await cpuShare()
const committer = program('committer', { ledger, perSecond: 1_000 })
await committer.line()
await sleep(1_000)
const beside = await cpuShare()
committer.stop()
follower.stop()

report(
  row({
    id: '16a',
    what: 'a completion of another process is seen, p50',
    unit: 'ms',
    ours: percentile(late, 50),
  }),
  row({
    id: '16b',
    what: 'the same, p95',
    unit: 'ms',
    ours: percentile(late, 95),
    bound: { ours: { atMost: 10 } },
  }),
  row({
    id: '16c',
    what: 'CPU of an idle follower',
    unit: '%',
    ours: idle,
    bound: { ours: { atMost: 0.2 } },
  }),
  row({
    id: '16d',
    what: 'CPU of a follower beside 1,000 foreign commits a second',
    unit: '%',
    ours: beside,
    bound: { ours: { atMost: 3 } },
  }),
)
process.exit()
