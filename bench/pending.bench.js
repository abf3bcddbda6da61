/** 14, 15. What a ledger with very much in it costs: claiming beside it, and opening it. */
import { inOwnProcess, interleave, median, ratioOf, report, row } from './lib.js'
import { context, goal } from './lib.js'
import { fill, newLedger, openDurable } from './ledger.js'

const many = 100_000
const rounds = Number(process.env.BENCH_ROUNDS ?? 7)
const mine = 'agent:main:cli:dm:mine'
const others = 'agent:main:cli:dm:others'

if (process.send !== undefined) await openAndList(process.argv[2])

/** In a process of its own: opens a ledger, and lists it, as a command does. */
async function openAndList(path) {
  const start = performance.now()
  const delegator = await openDurable(path)
  const opened = performance.now() - start
  const found = await delegator.list()
  const both = performance.now() - start
  process.send({ opened, both, found: found.length }, () => process.exit())
  await new Promise(() => undefined)
}

/** Claims 100 completions of one session, and gives them back for the next round. */
async function claimer(beside) {
  const path = newLedger()
  await fill(path, { count: beside, session: others, state: 'pending' })
  const delegator = await openDurable(path, { maxUnits: 100 })
  const call = { goal, context, sessionKey: mine, runner: () => 'done' }
  const handles = await Promise.all(Array.from({ length: 100 }, () => delegator.dispatch(call)))
  await Promise.all(handles.map(({ delegationId }) => delegator.wait(delegationId)))
  return async () => {
    const times = []
    for (let i = 0; i < 20; i += 1) {
      const start = performance.now()
      const claimed = await delegator.completions.claim({ sessionKey: mine, limit: 100 })
      times.push(performance.now() - start)
      if (claimed.length !== 100) throw new Error(`claimed ${claimed.length}`)
      await delegator.completions.defer(claimed, 0)
    }
    return median(times)
  }
}

const full = newLedger()
await fill(full, { count: many, session: others, state: 'delivered' })
const starts = []
for (let i = 0; i < rounds; i += 1) starts.push(await inOwnProcess(import.meta.url, [full]))

const among = await claimer(many)
const alone = await claimer(100)
await interleave(1, among, alone)
const claims = await interleave(rounds, among, alone)
report(
  row({
    id: '14',
    what: 'claiming 100 completions of a session beside 100,000 others; baseline: beside 100',
    unit: 'ms',
    ours: median(claims.ours),
    bare: median(claims.bare),
    ...ratioOf({ ours: claims.ours, bare: claims.bare }),
    bound: { ratio: { atMost: 1.5 } },
  }),
  row({
    id: '15a',
    what: 'opening a ledger of 100,000 units and the first list of it',
    unit: 'ms',
    ours: median(starts.map(({ both }) => both)),
    bound: { ours: { atMost: 300 } },
    note: `${starts[0].found} listed`,
  }),
  row({
    id: '15b',
    what: 'opening alone',
    unit: 'ms',
    ours: median(starts.map(({ opened }) => opened)),
  }),
)
process.exit()
