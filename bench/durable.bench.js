/** 10. The cycle of row 1 on a ledger in a file, versus the ledger in memory, bare inserts, and what the disk can do. */
import { open as openFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { newLedger, openDurable, openRaw } from './ledger.js'
import { context, deliverAll, goal, median, open, ratioOf, report, row, runnerOf, turn } from './lib.js'

const inFlight = 64
const total = Number(process.env.BENCH_TOTAL ?? 6_000)
const rounds = Number(process.env.BENCH_ROUNDS ?? 7)
const call = {
  goal,
  context,
  sessionKey: 'agent:main:cli:dm:bench',
  runner: runnerOf('noop', { placement: 'shared' }),
}
const options = { maxUnits: inFlight, maxSharedThreads: 2 }

/** Counts what the ledger asks of the disk. */
let syncs = 0
const probePath = newLedger()
const probe = await openFile(probePath, 'w+')
const files = Object.getPrototypeOf(probe)
const { datasync } = files
files.datasync = function counted() {
  syncs += 1
  return datasync.call(this)
}

async function rate(work) {
  const start = performance.now()
  await work()
  return total / ((performance.now() - start) / 1000)
}
const cycle = (delegator) => () => rate(() => deliverAll(delegator, { total, inFlight, call }))

/** As many rows of that size, `inFlight` to a commit: the least that three writes of a cycle could be. */
const raw = await openRaw(newLedger())
raw.exec(
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE rows (id TEXT PRIMARY KEY, text TEXT)',
)
let rows = 0
const insert = raw.sql('INSERT INTO rows VALUES (:id, :text)')
const text = goal + context
function inserts() {
  return rate(async () => {
    for (let i = 0; i < total; i += inFlight) {
      raw.exec('BEGIN IMMEDIATE')
      for (let j = 0; j < inFlight; j += 1) insert.run({ id: `row_${(rows += 1)}`, text })
      raw.exec('COMMIT')
      await turn()
    }
  })
}

/** How many syncs a second the disk does when nothing else happens, each after as much as a group of settles writes. */
async function syncRate() {
  const bytes = Buffer.alloc(64 * 1024, 1)
  const count = 150
  const start = performance.now()
  for (let i = 0; i < count; i += 1) {
    await probe.write(bytes, 0, bytes.length, (i % 64) * bytes.length)
    await datasync.call(probe)
  }
  return count / ((performance.now() - start) / 1000)
}

const durable = cycle(await openDurable(newLedger(), options))
const power = cycle(await openDurable(newLedger(), { ...options, durability: 'power' }))
const memory = cycle(await open(options))
const names = ['durable', 'memory', 'raw', 'power', 'syncs', 'perSync', 'bound', 'delay', 'powerDelay']
const figures = Object.fromEntries(names.map((name) => [name, []]))

async function delayed(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const figure = await work()
  delay.disable()
  return { figure, p99: delay.percentile(99) / 1e6 }
}

for (let round = -1; round < rounds; round += 1) {
  const perSecond = await syncRate()
  const process_ = await delayed(durable)
  syncs = 0
  const power_ = await delayed(power)
  const settlesPerSync = total / syncs
  const found = {
    durable: process_.figure,
    memory: await memory(),
    raw: await inserts(),
    power: power_.figure,
    syncs: perSecond,
    perSync: settlesPerSync,
    // A disk that could sync more settles a second than are made is not what bounds them.
    bound: Math.min(process_.figure, perSecond * settlesPerSync),
    delay: process_.p99,
    powerDelay: power_.p99,
  }
  if (round < 0) continue
  for (const name of names) figures[name].push(found[name])
}

await probe.close()

const of = (name) => median(figures[name])
report(
  row({
    id: '10a',
    what: 'the cycle of row 1 in a file, durability process; baseline: in memory',
    unit: '/s',
    ours: of('durable'),
    bare: of('memory'),
    ...ratioOf({ ours: figures.durable, bare: figures.memory }),
    bound: { ours: { atLeast: 5_000 } },
  }),
  row({
    id: '10b',
    what: 'the same; baseline: bare inserts of as many rows, 64 to a commit',
    unit: '/s',
    ours: of('durable'),
    bare: of('raw'),
    ...ratioOf({ ours: figures.durable, bare: figures.raw }),
  }),
  row({
    id: '10c',
    what: 'the same, durability power; baseline: what the disk allows, at most 10a',
    unit: '/s',
    ours: of('power'),
    bare: of('bound'),
    ...ratioOf({ ours: figures.power, bare: figures.bound }),
    bound: { ratio: { atLeast: 0.5 } },
    note: `${Math.round(of('syncs'))} syncs/s × ${of('perSync').toFixed(1)} settles`,
  }),
  row({
    id: '10d',
    what: 'delay of the loop meanwhile, power, p99; baseline: process',
    unit: 'ms',
    ours: of('powerDelay'),
    bare: of('delay'),
    ...ratioOf({ ours: figures.powerDelay, bare: figures.delay }),
    bound: { ratio: { atMost: 1.5 } },
  }),
)
process.exit()
