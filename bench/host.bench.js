/** 20. How soon an idle host has the turn of a completion, and what hosts that wait cost. */
import { attachHost, createDelegator } from '../dist/index.js'
import { newLedger, openDurable } from './ledger.js'
import { median, percentile, report, row, sleep } from './lib.js'

const count = Number(process.env.BENCH_TOTAL ?? 500)
const idleMs = Number(process.env.BENCH_MS ?? 10_000)
const many = 1_000
const rounds = 5
const keyOf = (index) => `agent:main:bench:dm:${index}`

/** `hosts` attached sessions; `next(index)` resolves with the time of the next turn of that session. */
function attachAll(delegator, hosts) {
  const waiting = new Map()
  for (let index = 0; index < hosts; index += 1) {
    attachHost(delegator, {
      sessionKey: keyOf(index),
      isIdle: () => true,
      startTurn(_text, _events, sessionKey) {
        waiting.get(sessionKey)?.(performance.now())
        return 'started'
      },
    })
  }
  return (index) => new Promise((resolve) => waiting.set(keyOf(index), resolve))
}

/** From the `completion` event, which comes when the end is in the ledger, to `startTurn`: ms each; and CPU ms per cycle. */
async function deliver(delegator, hosts) {
  const next = attachAll(delegator, hosts)
  await sleep(200)
  const ended = new Map()
  delegator.events.on('completion', ({ delegation_id }) => ended.set(delegation_id, performance.now()))
  const late = []
  const before = process.cpuUsage()
  for (let i = 0; i < count; i += 1) {
    const index = i % hosts
    const turn = next(index)
    const call = { goal: 'told', sessionKey: keyOf(index), runner: () => 'done' }
    const { status, error, delegationId } = await delegator.dispatch(call)
    if (status !== 'dispatched') throw new Error(error)
    const atMs = await turn
    late.push(Math.max(0, atMs - ended.get(delegationId)))
  }
  const { user, system } = process.cpuUsage(before)
  return { late, cpuMs: (user + system) / 1000 / count }
}

async function measured(open, hosts) {
  const delegator = await open()
  const found = await deliver(delegator, hosts)
  await delegator.close()
  return found
}

const inMemory = () => createDelegator()
const inFile = () => openDurable(newLedger())

const [memory, file] = [[], []]
const cost = { one: [], many: [] }
await measured(inMemory, 1)
for (let round = 0; round < rounds; round += 1) {
  const one = await measured(inMemory, 1)
  const thousand = await measured(inMemory, many)
  memory.push(...one.late)
  cost.one.push(one.cpuMs)
  cost.many.push(thousand.cpuMs)
  file.push(...(await measured(inFile, 1)).late)
}

/** CPU of a process that only waits, as a share of one CPU. */
async function idle(hosts) {
  const delegator = await inFile()
  if (hosts > 0) attachAll(delegator, hosts)
  await sleep(2_000)
  const [before, startMs] = [process.cpuUsage(), performance.now()]
  await sleep(idleMs)
  const { user, system } = process.cpuUsage(before)
  const share = ((user + system) / 1000 / (performance.now() - startMs)) * 100
  await delegator.close()
  return share
}
const [nobody, thousand] = [await idle(0), await idle(many)]

report(
  row({ id: '21a', what: 'a completion is a turn of an idle host, p50', unit: 'ms', ours: median(memory) }),
  row({
    id: '21b',
    what: 'the same, p95',
    unit: 'ms',
    ours: percentile(memory, 95),
    bound: { ours: { atMost: 5 } },
  }),
  row({
    id: '21c',
    what: 'the same with the ledger in a file, p95',
    unit: 'ms',
    ours: percentile(file, 95),
    bound: { ours: { atMost: 5 } },
  }),
  row({
    id: '21d',
    what: 'CPU per delegation, dispatch to turn, with 1,000 sessions attached; baseline: with one',
    unit: 'ms',
    ours: median(cost.many),
    bare: median(cost.one),
    ratio: median(cost.many.map((value, round) => value / cost.one[round])),
    bound: { ratio: { atMost: 1.5 } },
  }),
  row({
    id: '21e',
    what: 'CPU of 1,000 attached sessions where nothing happens; baseline: of none',
    unit: '%',
    ours: thousand,
    bare: nobody,
    bound: { ours: { atMost: 0.5 } },
  }),
)
process.exit()
